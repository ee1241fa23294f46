import type { SessionAnomaly } from "@vigie/schemas/types";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Arrived, Item, SinkTopic } from "./decode.ts";
import {
  anomalyActivity,
  geoActivity,
  type Happened,
  heartbeatActivity,
  loginActivity,
  mfaActivity,
  revokeActivity,
} from "./rows/activity.ts";
import type * as columns from "./rows/columns.ts";
import type * as security from "./rows/columns-security.ts";
import {
  ackRow,
  commandRow,
  decisionRow,
  epochRow,
  erasurePartRow,
  pointRow,
  policyChangeRow,
  resultRow,
} from "./rows/command.ts";
import { isoTime, noSessionUuid, type Subject, sessionUuid, subjectIds } from "./rows/ids.ts";
import { anomalyRow, isAlarm, retractionRow, revocationRow } from "./rows/security.ts";
import { anomalyEvent, auditedEvent } from "./rows/security-event.ts";
import { sessionRow } from "./rows/session.ts";

/** Rows of one write, each table's by its key: a row that comes twice is written once. */
export class Batch {
  readonly tenants = new Map<string, columns.TenantRow>();
  readonly users = new Map<string, columns.UserRow>();
  readonly devices = new Map<string, columns.DeviceRow>();
  /** The newest state of each session, by `rowKey`. */
  readonly sessions = new Map<string, columns.SessionRow>();
  /** Another spelling of a session's id. */
  readonly conflicts: columns.SessionRow[] = [];
  /** Sessions to be deleted before any is written. */
  readonly forgotten = new Map<string, columns.OwnedRow>();
  /** Rows that foreign keys need, should nobody have delivered them yet; by `rowKey`. */
  readonly stubs = new Map<string, columns.StubRow>();
  /** Sessions of successful logins (SES-22). */
  readonly awaited = new Map<string, columns.OwnedRow>();
  readonly activities = new Map<string, columns.ActivityRow>();
  readonly anomalies = new Map<string, columns.AnomalyRow>();
  /** The first of each user's anomaly. */
  readonly retractions = new Map<string, columns.RetractionRow>();
  readonly revocations = new Map<string, columns.RevocationRow>();
  readonly commands = new Map<string, security.CommandRow>();
  readonly results = new Map<string, security.ResultRow>();
  readonly decisions = new Map<string, security.DecisionRow>();
  /** The first word of each enforcement point. */
  readonly acks = new Map<string, security.AckRow>();
  readonly points = new Map<string, security.PointRow>();
  readonly epochs = new Map<string, security.EpochRow>();
  readonly policyChanges = new Map<string, security.PolicyChangeRow>();
  readonly erasureParts = new Map<string, security.ErasurePartRow>();
  readonly securityEvents = new Map<string, security.SecurityEventRow>();
  heartbeats = 0;
}

/**
 * Pure. Records are in the order of their partitions, so the last word on a session is the newest.
 */
export function gather(items: readonly Item<Arrived>[]): Batch {
  const batch = new Batch();
  for (const { topic, value, record } of items) {
    (adders[topic] as Adder<unknown>)(batch, value, record.timestampMs);
  }
  return batch;
}

type ValueOf<T extends SinkTopic | "forgotten"> = Extract<Item<unknown>, { topic: T }>["value"];
type Adder<V> = (batch: Batch, value: V, arrivedMs: number) => void;
type Adders = { readonly [T in SinkTopic | "forgotten"]: Adder<ValueOf<T>> };

/**
 * A record with its time at its field, at the latest that of its arrival: it tells of what has happened by then, and an
 * erasure finds by that time what came before it.
 */
function inPast<V, F extends keyof V>(value: V, field: F, arrivedMs: number): V {
  return { ...value, [field]: Math.min(Number(value[field]), arrivedMs) };
}

const adders: Adders = {
  "id.login"(batch, login, arrivedMs) {
    if (login.kind === "AUTH_SUCCESS" && login.session_id !== null) {
      const row = ownedRow(login, login.session_id);
      batch.awaited.set(rowKey(row), row);
    }
    addActivity(batch, login, loginActivity(login), arrivedMs);
  },
  "id.heartbeat"(batch, heartbeat, arrivedMs) {
    batch.heartbeats += 1;
    addActivity(batch, heartbeat, heartbeatActivity(heartbeat), arrivedMs);
  },
  "id.mfa": (batch, mfa, arrivedMs) => addActivity(batch, mfa, mfaActivity(mfa), arrivedMs),
  "id.geo": (batch, geo, arrivedMs) => addActivity(batch, geo, geoActivity(geo), arrivedMs),
  "id.session.state": (batch, state) => addSession(batch, sessionRow(state)),
  "id.session.anomaly": addAnomaly,
  "id.session.revoked"(batch, revoked, arrivedMs) {
    put(batch.revocations, revocationRow(inPast(revoked, "revoked_at", arrivedMs)));
    addActivity(batch, revoked, revokeActivity(revoked), arrivedMs);
  },
  "id.session.command"(batch, command, arrivedMs) {
    addUser(batch, command);
    putFirst(batch.commands, commandRow(inPast(command, "requested_at", arrivedMs)));
  },
  "id.session.command.result"(batch, result, arrivedMs) {
    addUser(batch, result);
    putFirst(batch.results, resultRow(inPast(result, "decided_at", arrivedMs)));
  },
  "id.session.revocation_ack"(batch, ack) {
    const row = ackRow(ack);
    const key = `${row.revocation}|${row.enforcement_point}`;
    keep(batch.acks, key, row, (held) => text(row.acted_at) < text(held.acted_at));
    const point = pointRow(ack);
    const pointKey = `${point.tenant_id}|${point.name}`;
    const isLater = (held: security.PointRow) =>
      text(point.last_acted_at) > text(held.last_acted_at);
    keep(batch.points, pointKey, point, isLater);
  },
  "id.session.epoch"(batch, epoch) {
    const row = epochRow(epoch);
    const key = `${row.tenant_id}|${row.scope}|${row.value}`;
    keep(batch.epochs, key, row, (held) => text(row.not_before) > text(held.not_before));
  },
  "id.session.policy"(batch, policy) {
    const row = policyChangeRow(policy);
    batch.policyChanges.set(`${row.tenant_id}|${row.version}`, row);
  },
  "id.risk.decision"(batch, decision, arrivedMs) {
    addUser(batch, decision);
    putFirst(batch.decisions, decisionRow(inPast(decision, "decided_at", arrivedMs)));
  },
  "id.audit"(batch, event, arrivedMs) {
    const row = auditedEvent(inPast(event, "occurred_at", arrivedMs));
    if (row !== null) put(batch.securityEvents, row);
  },
  // Done before anything is written; see erase.ts.
  "id.subject.erasure": () => undefined,
  "id.subject.erasure.part"(batch, told) {
    const row = erasurePartRow(told);
    batch.erasureParts.set(`${row.tenant_id}|${row.erasure_id}|${row.part}`, row);
  },
  forgotten(batch, { session_id, ...subject }) {
    const row = ownedRow(subject, session_id);
    const key = rowKey(row);
    if (batch.sessions.get(key)?.session_key === session_id) batch.sessions.delete(key);
    batch.forgotten.set(`${key}|${session_id}`, row);
  },
};

const text = (value: string | null): string => value ?? "";

type Identified = { readonly id: string | null };

function put<R extends Identified>(rows: Map<string, R>, row: R): void {
  rows.set(text(row.id), row);
}

/** What is said again later changes nothing. */
function putFirst<R extends Identified>(rows: Map<string, R>, row: R): void {
  if (!rows.has(text(row.id))) put(rows, row);
}

function keep<R>(rows: Map<string, R>, key: string, row: R, wins: (held: R) => boolean): void {
  const held = rows.get(key);
  if (held === undefined || wins(held)) rows.set(key, row);
}

interface RowIds {
  readonly tenant_id: string | null;
  readonly user_id: string | null;
  readonly id: string | null;
}

/** The primary key of a session: the same id of two users is two rows. */
export const rowKey = ({ tenant_id, user_id, id }: RowIds): string =>
  `session|${tenant_id}|${user_id}|${id}`;

function ownedRow(subject: Subject, sessionId: string): columns.OwnedRow {
  const { tenantId, userId } = subjectIds(subject);
  const id = sessionUuid(subject, sessionId);
  return { tenant_id: tenantId, user_id: userId, id, session_key: sessionId };
}

/** ANO-17: a retraction is no alarm, nor is what a rule on trial found; both are kept. */
function addAnomaly(batch: Batch, anomaly: SessionAnomaly): void {
  addUser(batch, anomaly);
  if (anomaly.retracts !== null) {
    const row = retractionRow(anomaly, anomaly.retracts);
    keep(batch.retractions, `${row.user_id}|${row.id}`, row, () => false);
    return;
  }
  put(batch.anomalies, anomalyRow(anomaly));
  if (!isAlarm(anomaly.mode)) return;
  addActivity(batch, anomaly, anomalyActivity(anomaly), anomaly.detected_at);
  const event = anomalyEvent(anomaly);
  if (event !== null) put(batch.securityEvents, event);
}

function addUser(batch: Batch, { tenant_id, user_id }: Subject): void {
  const tenantId = tenantUuid(tenant_id);
  const userId = uuidOf(tenant_id, "user", user_id);
  batch.tenants.set(tenantId, { id: tenantId, slug: tenant_id, name: tenant_id });
  const key = `${tenantId}|${userId}`;
  batch.users.set(key, { id: userId, tenant_id: tenantId, external_id: user_id });
}

function addSession(batch: Batch, row: columns.SessionRow): void {
  addUser(batch, { tenant_id: text(row.tenant_key), user_id: text(row.user_key) });
  if (row.device_id !== null) {
    const { tenant_id, user_id, device_id: id, device_key: external_id } = row;
    batch.devices.set(`${tenant_id}|${user_id}|${id}`, { id, tenant_id, user_id, external_id });
  }
  const key = rowKey(row);
  const held = batch.sessions.get(key);
  if (held !== undefined && held.session_key !== row.session_key) {
    batch.conflicts.push(row);
  } else if (held === undefined || Number(held.version) < Number(row.version)) {
    batch.sessions.set(key, row);
  }
}

type Event = Subject & { readonly session_id: string | null };

function addActivity(batch: Batch, event: Event, row: Happened, arrivedMs: number): void {
  addUser(batch, event);
  const arrived_at = isoTime(arrivedMs);
  const isAhead = text(row.timestamp) > arrived_at;
  const activity = { ...row, arrived_at: isAhead ? arrived_at : null };
  batch.activities.set(`${row.id}|${row.timestamp}`, activity);
  const { tenant_id, user_id, session_id: id } = row;
  const key = rowKey({ tenant_id, user_id, id });
  if (!batch.stubs.has(key)) batch.stubs.set(key, stubRow(event, row));
}

/**
 * A row for a session that is only named: not active, of version 0, so that any state replaces it.
 */
const stubRow = (event: Event, row: Happened): columns.StubRow => ({
  id: row.session_id,
  user_id: row.user_id,
  tenant_id: row.tenant_id,
  tenant_key: event.tenant_id,
  user_key: event.user_id,
  session_key: event.session_id ?? noSessionUuid(event),
  status: event.session_id === null ? "NONE" : "PENDING",
  created_at: row.timestamp,
});

/** The UTC days that a batch's activities lie in, as YYYY-MM-DD. */
export function daysOf(batch: Batch): readonly string[] {
  const days = new Set<string>();
  for (const row of batch.activities.values()) days.add(text(row.timestamp).slice(0, 10));
  return [...days].sort();
}

export const dayOf = (ms: number): string => isoTime(ms).slice(0, 10);
