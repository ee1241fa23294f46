import type { PolicyDocument } from "@vigie/core/policy";
import { DAY_MS } from "@vigie/core/time";
import { Policies } from "@vigie/schemas/policies";
import type { SessionPolicy } from "@vigie/schemas/types";
import type { Database } from "@vigie/service-kit/postgres/database";
import { dayOf } from "./batch.ts";
import type { Partitions } from "./partitions.ts";
import { isoTime } from "./rows/ids.ts";

/** Rows of one statement: a few ms of locks, and the sink writes in between. */
const ROWS_MAX = 5_000;

/** Rows that go once their time is longer ago than the policy's days. */
interface Kept {
  readonly table: string;
  readonly column: string;
  readonly days: (policy: PolicyDocument) => number;
  readonly more?: string;
}

const sessionDays = (policy: PolicyDocument): number => policy.session_retention.days;
const activityDays = (policy: PolicyDocument): number => policy.activity_retention.days;

/** `offset 0` keeps the planner from joining all activities: each placeholder is looked up by itself. */
const PLACEHOLDER = `
  and status in ('PENDING', 'REFUSED')
  and not exists (select from session_activities a
                   where a.tenant_id = held.tenant_id and a.user_id = held.user_id
                     and a.session_id = held.id
                   offset 0)`;

/** PRV-13. A live session has no `terminated_at`, so nothing here can touch it. */
export const KEPT: readonly Kept[] = [
  { table: "user_sessions", column: "terminated_at", days: sessionDays, more: "and not is_active" },
  { table: "session_anomalies", column: "occurred_at", days: sessionDays },
  { table: "session_anomaly_retractions", column: "retracted_at", days: sessionDays },
  { table: "session_revocations", column: "revoked_at", days: sessionDays },
  { table: "session_revocation_acks", column: "acted_at", days: sessionDays },
  { table: "session_commands", column: "noted_at", days: sessionDays },
  { table: "session_risk_decisions", column: "decided_at", days: sessionDays },
  { table: "session_security_events", column: "occurred_at", days: sessionDays },
  { table: "user_sessions", column: "created_at", days: activityDays, more: PLACEHOLDER },
];

export const deletion = ({ table, column, more = "" }: Kept, rowsMax: number): string => `
  delete from ${table}
   where ctid = any(array(
           select ctid from ${table} held
            where tenant_id = $1 and ${column} < $2 ${more}
            order by ${column} limit ${rowsMax}))`;

export interface RetentionParts {
  readonly database: Database;
  readonly partitions: Partitions;
  readonly nowMs: number;
  /** Told of a policy that is not valid; the last good one holds. */
  readonly refused?: (tenantId: string, faults: readonly string[]) => void;
  readonly rowsMax?: number;
}

/** Rows and days that went, by table. */
export type Forgotten = Readonly<Record<string, number>>;

/** PRV-13: deletes, in batches, what each tenant's policy no longer wants kept. Again it deletes nothing. */
export async function applyRetention(parts: RetentionParts): Promise<Forgotten> {
  const { database, nowMs, rowsMax = ROWS_MAX } = parts;
  const gone: Record<string, number> = {};
  const count = (what: string, rows: number): void => {
    if (rows > 0) gone[what] = (gone[what] ?? 0) + rows;
  };
  const tenants = await readTenants(parts);
  for (const { id, policy } of tenants) {
    for (const kept of KEPT) {
      const before = isoTime(nowMs - kept.days(policy) * DAY_MS);
      const run = () => database.query(deletion(kept, rowsMax), [id, before]);
      count(kept.table, await untilFew(run, rowsMax));
    }
  }
  // Without a tenant there is nobody whose activities could go.
  if (tenants.length === 0) return gone;
  const longest = Math.max(...tenants.map(({ policy }) => activityDays(policy)));
  count("days", await parts.partitions.dropOlderThan(longest, nowMs));
  for (const { id, policy } of tenants) {
    const before = dayOf(nowMs - activityDays(policy) * DAY_MS);
    count("session_activities", await clearActivities(parts, id, before));
  }
  return gone;
}

async function untilFew(
  run: () => Promise<{ readonly count: number }>,
  rowsMax: number,
): Promise<number> {
  for (let sum = 0; ; ) {
    const { count } = await run();
    sum += count;
    if (count < rowsMax) return sum;
  }
}

interface Tenant {
  readonly id: string;
  readonly policy: PolicyDocument;
}

const POLICIES = `
  select distinct on (tenant_key) tenant_key, version, document::text as document
    from session_policy_changes order by tenant_key, version desc`;

async function readTenants({ database, refused }: RetentionParts): Promise<readonly Tenant[]> {
  const { rows: tenants } = await database.query<{ id: string; slug: string }>(
    "select id, slug from tenants order by slug",
  );
  type Row = Pick<SessionPolicy, "version" | "document"> & { readonly tenant_key: string };
  const { rows } = await database.query<Row>(POLICIES);
  const actor = { type: "UNKNOWN", id: "", impersonator_id: null } as const;
  const records = new Map<string, SessionPolicy>(
    rows.map(({ tenant_key: tenant_id, version, document }) => [
      tenant_id,
      { tenant_id, version, document, updated_at: 0, actor },
    ]),
  );
  const policies = new Policies(refused ?? (() => undefined));
  const lookup = (key: string) => records.get(key);
  return tenants.map(({ id, slug }) => ({ id, policy: policies.of(slug, lookup).document }));
}

/** $1 tenant, $2 the first day that is kept. Returns: where the last run ended, or the oldest day there is. */
const CLOSE = `
  insert into session_activity_retention as held (tenant_id, closed_before)
  select id, $2::date from tenants where id = $1
  on conflict (tenant_id) do update
    set closed_before = greatest(held.closed_before, excluded.closed_before)
  returning greatest(cleared_before, (select min(timestamp)::date from session_activities))::text
    as day`;
export const CLEAR = `
  delete from session_activities
   where (id, timestamp) in (
           select id, timestamp from session_activities
            where tenant_id = $1 and timestamp >= $2::date and timestamp < $3::date
            limit $4)
     and timestamp >= $2::date and timestamp < $3::date`;
const DONE = `
  update session_activity_retention set cleared_before = greatest(cleared_before, $2::date)
   where tenant_id = $1`;

/** Day by day from where the last run ended. */
async function clearActivities(
  { database, rowsMax = ROWS_MAX }: RetentionParts,
  tenantId: string,
  before: string,
): Promise<number> {
  const { rows } = await database.query<{ day: string | null }>(CLOSE, [tenantId, before]);
  const from = rows[0]?.day ?? before;
  let sum = 0;
  for (let ms = Date.parse(from); ms < Date.parse(before); ms += DAY_MS) {
    const values = [tenantId, dayOf(ms), dayOf(ms + DAY_MS), rowsMax];
    sum += await untilFew(() => database.query(CLEAR, values), rowsMax);
  }
  await database.query(DONE, [tenantId, before]);
  return sum;
}
