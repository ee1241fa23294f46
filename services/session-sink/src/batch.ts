import { assertNever } from "@vigie/core/assert";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Item } from "./decode.ts";
import {
  anomalyActivity,
  geoActivity,
  heartbeatActivity,
  loginActivity,
  mfaActivity,
  revokeActivity,
} from "./rows/activity.ts";
import type {
  ActivityRow,
  AnomalyRow,
  DeviceRow,
  OwnedRow,
  RetractionRow,
  RevocationRow,
  SessionRow,
  StubRow,
  TenantRow,
  UserRow,
} from "./rows/columns.ts";
import { isoTime, noSessionUuid, type Subject, sessionUuid, subjectIds } from "./rows/ids.ts";
import { anomalyRow, retractionRow, revocationRow } from "./rows/security.ts";
import { sessionRow } from "./rows/session.ts";

/** Rows of one write, each table's by id: a row that comes twice is written once. */
export interface Batch {
  readonly tenants: Map<string, TenantRow>;
  readonly users: Map<string, UserRow>;
  readonly devices: Map<string, DeviceRow>;
  /** The newest state of each session. */
  readonly sessions: Map<string, SessionRow>;
  /** Sessions to be deleted before any is written, each with whose it was. */
  readonly forgotten: Map<string, OwnedRow>;
  /** Rows that foreign keys need, should nobody have delivered them yet. */
  readonly stubs: Map<string, StubRow>;
  /** Sessions of successful logins (SES-22). */
  readonly awaited: Set<string>;
  readonly activities: Map<string, ActivityRow>;
  readonly anomalies: Map<string, AnomalyRow>;
  readonly retractions: Map<string, RetractionRow>;
  readonly revocations: Map<string, RevocationRow>;
  heartbeats: number;
}

const emptyBatch = (): Batch => ({
  tenants: new Map(),
  users: new Map(),
  devices: new Map(),
  sessions: new Map(),
  forgotten: new Map(),
  stubs: new Map(),
  awaited: new Set(),
  activities: new Map(),
  anomalies: new Map(),
  retractions: new Map(),
  revocations: new Map(),
  heartbeats: 0,
});

/**
 * Pure. Records are in the order of their partitions, so the last word on a session is the newest.
 */
export function gather(items: readonly Item<unknown>[]): Batch {
  const batch = emptyBatch();
  for (const item of items) add(batch, item);
  return batch;
}

function add(batch: Batch, item: Item<unknown>): void {
  switch (item.topic) {
    case "id.login":
      if (item.value.kind === "AUTH_SUCCESS" && item.value.session_id !== null) {
        batch.awaited.add(sessionUuid(item.value, item.value.session_id));
      }
      addActivity(batch, item.value, loginActivity(item.value));
      break;
    case "id.heartbeat":
      batch.heartbeats += 1;
      addActivity(batch, item.value, heartbeatActivity(item.value));
      break;
    case "id.mfa":
      addActivity(batch, item.value, mfaActivity(item.value));
      break;
    case "id.geo":
      addActivity(batch, item.value, geoActivity(item.value));
      break;
    case "id.session.state":
      addSession(batch, sessionRow(item.value));
      break;
    case "id.session.anomaly":
      addAnomaly(batch, item.value);
      break;
    case "id.session.revoked":
      put(batch.revocations, revocationRow(item.value));
      addActivity(batch, item.value, revokeActivity(item.value));
      break;
    case "forgotten":
      forget(batch, item.value, sessionUuid(item.value, item.value.session_id));
      break;
    default:
      assertNever(item);
  }
}

function put<R extends { readonly id: string | null }>(rows: Map<string, R>, row: R): void {
  rows.set(String(row.id), row);
}

/** A session id that two users name is one row, of one of them: only its owner's word deletes it. */
function forget(batch: Batch, subject: Subject, id: string): void {
  const { tenantId, userId } = subjectIds(subject);
  const held = batch.sessions.get(id);
  if (held?.tenant_id === tenantId && held.user_id === userId) batch.sessions.delete(id);
  batch.forgotten.set(`${id}|${tenantId}|${userId}`, { id, tenant_id: tenantId, user_id: userId });
}

function addAnomaly(batch: Batch, anomaly: SessionAnomaly): void {
  if (anomaly.retracts !== null) {
    put(batch.retractions, retractionRow(anomaly, anomaly.retracts));
    return;
  }
  put(batch.anomalies, anomalyRow(anomaly));
  addActivity(batch, anomaly, anomalyActivity(anomaly));
}

function addUser(batch: Batch, { tenant_id, user_id }: Subject): void {
  const tenantId = tenantUuid(tenant_id);
  const userId = uuidOf(tenant_id, "user", user_id);
  batch.tenants.set(tenantId, { id: tenantId, slug: tenant_id, name: tenant_id });
  const key = `${tenantId}|${userId}`;
  batch.users.set(key, { id: userId, tenant_id: tenantId, external_id: user_id });
}

function addSession(batch: Batch, row: SessionRow): void {
  addUser(batch, { tenant_id: String(row.tenant_key), user_id: String(row.user_key) });
  if (row.device_id !== null) {
    const { tenant_id, user_id, device_id: id, device_key: external_id } = row;
    batch.devices.set(`${tenant_id}|${user_id}|${id}`, { id, tenant_id, user_id, external_id });
  }
  const id = String(row.id);
  const held = batch.sessions.get(id);
  if (held === undefined || Number(held.version) < Number(row.version)) {
    batch.sessions.set(id, row);
  }
}

type Happening = Subject & { readonly session_id: string | null };

function addActivity(batch: Batch, event: Happening, row: ActivityRow): void {
  addUser(batch, event);
  batch.activities.set(`${row.id}|${row.timestamp}`, row);
  const id = String(row.session_id);
  if (!batch.stubs.has(id)) batch.stubs.set(id, stubRow(event, id, String(row.timestamp)));
}

/**
 * A row for a session that is only named: not active, of version 0, so that any state replaces it.
 */
function stubRow(event: Happening, id: string, atIso: string): StubRow {
  const { tenantId, userId } = subjectIds(event);
  return {
    id,
    user_id: userId,
    tenant_id: tenantId,
    tenant_key: event.tenant_id,
    user_key: event.user_id,
    session_key: event.session_id ?? noSessionUuid(event),
    status: event.session_id === null ? "NONE" : "PENDING",
    created_at: atIso,
  };
}

/** The UTC days that a batch's activities lie in, as YYYY-MM-DD. */
export function daysOf(batch: Batch): readonly string[] {
  const days = new Set<string>();
  for (const row of batch.activities.values()) days.add(String(row.timestamp).slice(0, 10));
  return [...days].sort();
}

export const dayOf = (ms: number): string => isoTime(ms).slice(0, 10);
