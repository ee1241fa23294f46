import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Columns, RowOf, Unnest } from "@vigie/service-kit/postgres/unnest";
import type { Batch } from "./batch.ts";
import {
  activityColumns,
  anomalyColumns,
  deviceColumns,
  ownedColumns,
  retractionColumns,
  revocationColumns,
  sessionColumnNames,
  sessionColumns,
  stubColumns,
  tenantColumns,
  userColumns,
} from "./rows/columns.ts";

/** What a write added that was not there before. */
export interface Written {
  /** Anomalies by kind. */
  readonly anomalies: ReadonlyMap<string, number>;
  readonly revocations: number;
  readonly sessions: number;
  readonly activities: number;
  /** Sessions whose id another tenant or user holds; their rows stay as they are. */
  readonly conflicts: number;
}

/** Ids that are known to have their row, so that stubs need no look-up. */
export interface KnownRows {
  has(id: string): boolean;
}

const insert = (table: string, columns: Unnest<Columns>, more = ""): string =>
  `insert into ${table} (${columns.names}) select ${columns.names} from ${columns.from}
   on conflict do nothing ${more}`;

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

/** A stub gives way to any state; a state only to a newer one of the same user. */
const UPSERT_SESSIONS = `
  insert into user_sessions as held (${sessionColumns.names})
  select ${sessionColumns.names} from ${sessionColumns.from}
  on conflict (id) do update set awaited_since = null, ${sessionColumnNames
    .filter((name) => name !== "id")
    .map((name) => `${name} = excluded.${name}`)
    .join(", ")}
  where held.version < excluded.version
    and (held.status = 'PENDING'
         or (held.tenant_id = excluded.tenant_id and held.user_id = excluded.user_id))`;

const FORGET = `
  delete from user_sessions held using ${ownedColumns.from}
   where held.id = given.id and held.tenant_id = given.tenant_id and held.user_id = given.user_id`;

const CONFLICTS = `
  select count(*) as conflicts
    from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as given (id, tenant_id, user_id)
    join user_sessions held using (id)
   where held.tenant_id <> given.tenant_id or held.user_id <> given.user_id`;

const AWAIT = `
  update user_sessions set awaited_since = now()
   where id = any($1::uuid[]) and status = 'PENDING' and awaited_since is null`;

const RETRACT = `
  update session_anomalies as held set retracted_at = given.retracted_at
    from ${retractionColumns.from}
   where held.id = given.id and held.retracted_at is null`;

/**
 * Writes a batch in the given transaction; writing it again changes nothing.
 * Throws: what PostgreSQL says of a row that it refuses.
 */
export async function writeBatch(tx: Queryable, batch: Batch, known: KnownRows): Promise<Written> {
  await writeStubs(tx, batch, known);
  const sessions = [...batch.sessions.values()];
  const upserted = await put(tx, UPSERT_SESSIONS, sessionColumns, sessions);
  const stubs = [...batch.stubs].filter(([id]) => !known.has(id) && !batch.sessions.has(id));
  await put(
    tx,
    STUB_SESSIONS,
    stubColumns,
    stubs.map(([, row]) => row),
  );
  if (batch.awaited.size > 0) await tx.query(AWAIT, [[...batch.awaited]]);
  const activities = [...batch.activities.values()];
  const added = await put(
    tx,
    insert("session_activities", activityColumns),
    activityColumns,
    activities,
  );
  const revocations = [...batch.revocations.values()];
  const revoked = await put(
    tx,
    insert("session_revocations", revocationColumns),
    revocationColumns,
    revocations,
  );
  const anomalies = await writeAnomalies(tx, batch);
  const stale = sessions.length - upserted;
  return {
    anomalies,
    revocations: revoked,
    sessions: upserted,
    activities: added,
    conflicts: stale > 0 ? await countConflicts(tx, batch) : 0,
  };
}

async function writeStubs(tx: Queryable, batch: Batch, known: KnownRows): Promise<void> {
  const unknown = <R>(rows: ReadonlyMap<string, R>): R[] =>
    [...rows].flatMap(([key, row]) => (known.has(key) ? [] : [row]));
  // In one order, so that two writers of one tenant do not wait for each other crosswise.
  const tenants = unknown(batch.tenants).sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
  await put(tx, insert("tenants", tenantColumns), tenantColumns, tenants);
  await put(tx, STUB_USERS, userColumns, unknown(batch.users));
  await put(tx, STUB_DEVICES, deviceColumns, unknown(batch.devices));
  await put(tx, FORGET, ownedColumns, [...batch.forgotten.values()]);
}

async function writeAnomalies(tx: Queryable, batch: Batch): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  if (batch.anomalies.size > 0) {
    const text = insert("session_anomalies", anomalyColumns, "returning kind");
    const values = anomalyColumns.values([...batch.anomalies.values()]);
    const { rows } = await tx.query<{ kind: string }>(text, values);
    for (const { kind } of rows) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  await put(tx, RETRACT, retractionColumns, [...batch.retractions.values()]);
  return counts;
}

async function countConflicts(tx: Queryable, batch: Batch): Promise<number> {
  const rows = [...batch.sessions.values()];
  const { rows: counted } = await tx.query<{ conflicts: number }>(CONFLICTS, [
    rows.map((row) => row.id),
    rows.map((row) => row.tenant_id),
    rows.map((row) => row.user_id),
  ]);
  return counted[0]?.conflicts ?? 0;
}

async function put<C extends Columns>(
  tx: Queryable,
  text: string,
  columns: Unnest<C>,
  rows: readonly RowOf<C>[],
): Promise<number> {
  if (rows.length === 0) return 0;
  return (await tx.query(text, columns.values(rows))).count;
}
