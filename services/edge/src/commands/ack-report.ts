import { HOUR_MS } from "@vigie/core/time";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type { Database } from "@vigie/service-kit/postgres/database";

interface Objective {
  readonly nowMs: number;
  readonly tenantId: string;
  /** Names that are to answer: one that never has is shown too. */
  readonly expected: readonly string[];
  readonly objectiveMs: number;
}

const REVOCATION = `
  select revocation_id, revoked_at, reason, user_id from session_revocations
   where tenant_id = $1 and id = $2`;
const ACKS = `
  select enforcement_point, acted_at from session_revocation_acks
   where tenant_id = $1 and revocation = $2 order by acted_at, enforcement_point`;

interface RevocationRow {
  readonly revocation_id: string;
  readonly revoked_at: Date;
  readonly reason: string;
  /** As lists show it. */
  readonly user_id: string;
}

interface AckRow {
  readonly enforcement_point: string;
  readonly acted_at: Date;
}

/** Who has acted on a revocation and after how long, and who has not; null: the tenant has no such revocation. */
export async function reportOf(
  database: Database,
  query: Objective & { readonly revocationId: string },
) {
  const { tenantId, revocationId } = query;
  const ids = [tenantUuid(tenantId), nameUuid(tenantId, "revocation", revocationId)];
  const { revocation, acks } = await database.inTenant(tenantId, async (tx) => ({
    revocation: (await tx.query<RevocationRow>(REVOCATION, ids)).rows[0],
    acks: (await tx.query<AckRow>(ACKS, ids)).rows,
  }));
  if (revocation === undefined) return null;
  return { userId: revocation.user_id, answer: describe(revocation, acks, query) };
}

export function describe(
  revocation: Omit<RevocationRow, "user_id">,
  acks: readonly AckRow[],
  { nowMs, expected, objectiveMs }: Omit<Objective, "tenantId">,
) {
  const revokedAtMs = revocation.revoked_at.getTime();
  const acted = new Map(acks.map((ack) => [ack.enforcement_point, ack.acted_at.getTime()]));
  const points = [...new Set([...expected, ...acted.keys()])].sort().map((name) => {
    const actedAtMs = acted.get(name) ?? null;
    const delayMs = actedAtMs === null ? null : Math.max(0, actedAtMs - revokedAtMs);
    return {
      enforcement_point: name,
      is_expected: expected.includes(name),
      acted_at: actedAtMs === null ? null : new Date(actedAtMs).toISOString(),
      delay_ms: delayMs,
      is_late: (delayMs ?? nowMs - revokedAtMs) > objectiveMs,
    };
  });
  return {
    revocation_id: revocation.revocation_id,
    revoked_at: revocation.revoked_at.toISOString(),
    reason: revocation.reason,
    objective_ms: objectiveMs,
    is_complete: points.every((point) => !point.is_expected || point.acted_at !== null),
    points,
  };
}

const LATENCY = `
  select enforcement_point, count(*)::int as acks,
         (count(*) filter (where delay_ms > $3))::int as late,
         percentile_cont(0.5) within group (order by delay_ms) as p50_ms,
         percentile_cont(0.99) within group (order by delay_ms) as p99_ms,
         max(acted_at) as last_acted_at
    from session_revocation_acks
   where tenant_id = $1 and acted_at > $2::timestamp and delay_ms is not null
   group by enforcement_point`;
const UNANSWERED = `
  select point.name as enforcement_point, count(*)::int as unanswered
    from session_revocations revocation
   cross join unnest($4::text[]) as point (name)
   where revocation.tenant_id = $1 and revocation.revoked_at > $2::timestamp
     and revocation.revoked_at < $3::timestamp
     and not exists (select from session_revocation_acks ack
                      where ack.tenant_id = revocation.tenant_id
                        and ack.revocation = revocation.id
                        and ack.enforcement_point = point.name)
   group by point.name`;

interface LatencyRow {
  readonly enforcement_point: string;
  readonly acks: number;
  readonly late: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly last_acted_at: Date;
}

interface UnansweredRow {
  readonly enforcement_point: string;
  readonly unanswered: number;
}

/** p50 and p99 from a revocation to the act on it, by enforcement point, over the last hours. */
export async function latencyOf(database: Database, query: Objective & { readonly hours: number }) {
  const { nowMs, tenantId, expected, objectiveMs, hours } = query;
  const tenant = tenantUuid(tenantId);
  const since = new Date(nowMs - hours * HOUR_MS).toISOString();
  const due = new Date(nowMs - objectiveMs).toISOString();
  const { acted, unanswered } = await database.inTenant(tenantId, async (tx) => {
    const acted = (await tx.query<LatencyRow>(LATENCY, [tenant, since, objectiveMs])).rows;
    const names = namesOf(expected, acted);
    const values = [tenant, since, due, names];
    return { acted, unanswered: (await tx.query<UnansweredRow>(UNANSWERED, values)).rows };
  });
  const byName = new Map(acted.map((row) => [row.enforcement_point, row]));
  const open = new Map(unanswered.map((row) => [row.enforcement_point, row.unanswered]));
  const points = namesOf(expected, acted).map((name) => {
    const row = byName.get(name);
    return {
      enforcement_point: name,
      is_expected: expected.includes(name),
      acks: row?.acks ?? 0,
      late: row?.late ?? 0,
      unanswered: open.get(name) ?? 0,
      p50_ms: row?.p50_ms ?? null,
      p99_ms: row?.p99_ms ?? null,
      last_acted_at: row?.last_acted_at.toISOString() ?? null,
    };
  });
  return { hours, objective_ms: objectiveMs, points };
}

const namesOf = (expected: readonly string[], acted: readonly LatencyRow[]): readonly string[] =>
  [...new Set([...expected, ...acted.map((row) => row.enforcement_point)])].sort();
