import type { Queryable } from "@vigie/service-kit/postgres/database";
import { put, putReturning } from "@vigie/service-kit/postgres/unnest";
import { type Batch, rowKey } from "./batch.ts";
import { type Caused, causeOf } from "./rows/cause.ts";
import {
  activityColumns,
  anomalyColumns,
  deviceColumns,
  type OwnedRow,
  ownedColumns,
  retractionColumns,
  revocationColumns,
  type SessionRow,
  sessionColumns,
  stubColumns,
  tenantColumns,
  userColumns,
} from "./rows/columns.ts";
import { isAlarm } from "./rows/security.ts";
import { conflictEvent } from "./rows/security-event.ts";
import { type AckDelay, writeCommands, writeSecurityEvents } from "./write-security.ts";

/** What a write added that was not there before. */
export interface Written {
  /** Alarms by kind; what a rule on trial found is none. */
  readonly anomalies: ReadonlyMap<string, number>;
  /** Revocations by cause. */
  readonly revocations: ReadonlyMap<string, number>;
  readonly sessions: number;
  readonly activities: number;
  /** Sessions whose id another user of the tenant holds, seen for the first time; they are refused. */
  readonly conflicts: number;
  readonly acks: readonly AckDelay[];
}

/** Keys of rows that are known to be there, so that stubs need no look-up. */
export interface KnownRows {
  has(key: string): boolean;
}

const insert = (table: string, columns: { readonly names: string; readonly from: string }) =>
  `insert into ${table} (${columns.names}) select ${columns.names} from ${columns.from}
   on conflict do nothing`;

const REVOCATIONS = `
  ${insert("session_revocations", revocationColumns)}
  returning epoch_id, anomaly_id, actor_type, actor_id`;

const STUB_USERS = `
  insert into users (${userColumns.names}, is_stub)
  select ${userColumns.names}, true from ${userColumns.from} on conflict do nothing`;
const STUB_DEVICES = `
  insert into user_devices (${deviceColumns.names}, is_stub)
  select ${deviceColumns.names}, true from ${deviceColumns.from} on conflict do nothing`;
const STUB_SESSIONS = `
  insert into user_sessions (${stubColumns.names}, last_activity, expires_at, is_active)
  select ${stubColumns.names}, created_at, created_at, false from ${stubColumns.from}
  on conflict do nothing`;

/** What retention has cleared stays cleared, whatever comes late. */
const ACTIVITIES = `
  insert into session_activities (${activityColumns.names})
  select ${activityColumns.names} from ${activityColumns.from}
   where not exists (select from session_activity_retention kept
                      where kept.tenant_id = given.tenant_id
                        and given.timestamp < kept.closed_before)
  on conflict do nothing`;

const isTaken = `
  exists (select from user_sessions other
           where other.tenant_id = given.tenant_id and other.id = given.id
             and other.user_id <> given.user_id
             and other.status not in ('PENDING', 'NONE', 'REFUSED'))`;
const judged = sessionColumns.columns.map((name) => {
  if (name === "status") return "case when taken then 'REFUSED' else status end";
  return name === "is_active" ? "is_active and not taken" : name;
});

/**
 * A stub gives way to any state, a state only to a newer one of the same spelling. An id that another user of the
 * tenant has is refused; two new ones in one statement break the index, and are then written one by one.
 */
const UPSERT_SESSIONS = `
  insert into user_sessions as held (${sessionColumns.names})
  select ${judged.join(", ")}
    from (select given.*, ${isTaken} as taken from ${sessionColumns.from}) as asked
  on conflict (tenant_id, user_id, id) do update set awaited_since = null, ${sessionColumns.columns
    .filter((name) => !["id", "tenant_id", "user_id"].includes(name))
    .map((name) => `${name} = excluded.${name}`)
    .join(", ")}
  where held.version < excluded.version
    and (held.version = 0 or held.session_key = excluded.session_key)
  returning status = 'REFUSED' as refused`;

const FORGET = `
  delete from user_sessions held using ${ownedColumns.from}
   where held.tenant_id = given.tenant_id and held.user_id = given.user_id and held.id = given.id
     and held.session_key = given.session_key`;

const CONFLICTS = `
  select tenant_id, user_id, id from ${ownedColumns.from}
    join user_sessions held using (tenant_id, user_id, id)
   where held.status = 'REFUSED' or held.session_key <> given.session_key`;

const AWAIT = `
  update user_sessions held set awaited_since = now() from ${ownedColumns.from}
   where held.tenant_id = given.tenant_id and held.user_id = given.user_id and held.id = given.id
     and held.status = 'PENDING' and held.awaited_since is null`;

const isRetracted = `
  held.tenant_id = given.tenant_id and held.user_id = given.user_id and held.id = given.id
    and held.retracted_at is null`;
/** The first one stands. What it withdraws may be there, or takes it over when it comes. */
const RETRACTIONS = [
  insert("session_anomaly_retractions", retractionColumns),
  `update session_anomalies held
      set retracted_by = given.retracted_by, retracted_at = given.retracted_at
     from ${retractionColumns.from} where ${isRetracted}`,
  `update session_security_events held set retracted_at = given.retracted_at
     from ${retractionColumns.from} where ${isRetracted}`,
];
const ANOMALIES = `
  insert into session_anomalies (${anomalyColumns.names}, retracted_by, retracted_at)
  select ${anomalyColumns.names}, retracted_by, retracted_at
    from ${anomalyColumns.from}
    left join session_anomaly_retractions using (tenant_id, user_id, id)
  on conflict do nothing returning kind, mode`;

/**
 * Writes a batch in the given transaction; writing it again changes nothing.
 * Throws: what PostgreSQL says of a row that it refuses.
 */
export async function writeBatch(tx: Queryable, batch: Batch, known: KnownRows): Promise<Written> {
  await writeStubs(tx, batch, known);
  const { count: sessions, conflicts } = await writeSessions(tx, batch);
  const stubs = [...batch.stubs].filter(([key]) => !known.has(key) && !batch.sessions.has(key));
  await put(
    tx,
    STUB_SESSIONS,
    stubColumns,
    stubs.map(([, row]) => row),
  );
  await put(tx, AWAIT, ownedColumns, batch.awaited.values());
  const activities = await put(tx, ACTIVITIES, activityColumns, batch.activities.values());
  const revoked = await putReturning<Caused>(
    tx,
    REVOCATIONS,
    revocationColumns,
    batch.revocations.values(),
  );
  const revocations = countsOf(revoked.map(causeOf));
  for (const text of RETRACTIONS) {
    await put(tx, text, retractionColumns, batch.retractions.values());
  }
  const anomalies = await writeAnomalies(tx, batch);
  const acks = await writeCommands(tx, batch);
  const found = await writeSecurityEvents(tx, conflicts.map(conflictEvent));
  await writeSecurityEvents(tx, batch.securityEvents.values());
  return { anomalies, revocations, sessions, activities, conflicts: found, acks };
}

async function writeStubs(tx: Queryable, batch: Batch, known: KnownRows): Promise<void> {
  const unknown = <R>(rows: ReadonlyMap<string, R>): R[] =>
    [...rows].flatMap(([key, row]) => (known.has(key) ? [] : [row]));
  // In one order, so that two writers of one tenant do not wait for each other crosswise.
  const tenants = unknown(batch.tenants).sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
  await put(tx, insert("tenants", tenantColumns), tenantColumns, tenants);
  await put(tx, STUB_USERS, userColumns, unknown(batch.users));
  await put(tx, STUB_DEVICES, deviceColumns, unknown(batch.devices));
  await put(tx, FORGET, ownedColumns, batch.forgotten.values());
}

interface WrittenSessions {
  readonly count: number;
  readonly conflicts: readonly SessionRow[];
}

async function writeSessions(
  tx: Queryable,
  { sessions, conflicts }: Batch,
): Promise<WrittenSessions> {
  const given = [...sessions.values()];
  const rows = await putReturning<{ refused: boolean }>(tx, UPSERT_SESSIONS, sessionColumns, given);
  const refused = rows.filter((row) => row.refused).length;
  const asked = rows.length < given.length || refused > 0 ? given : [];
  const held = await putReturning<OwnedRow>(tx, CONFLICTS, ownedColumns, asked);
  const known = held.flatMap((row) => sessions.get(rowKey(row)) ?? []);
  return { count: rows.length - refused, conflicts: [...conflicts, ...known] };
}

function countsOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

async function writeAnomalies(tx: Queryable, batch: Batch): Promise<Map<string, number>> {
  const given = batch.anomalies.values();
  type Found = { readonly kind: string; readonly mode: string };
  const rows = await putReturning<Found>(tx, ANOMALIES, anomalyColumns, given);
  return countsOf(rows.flatMap(({ kind, mode }) => (isAlarm(mode) ? [kind] : [])));
}
