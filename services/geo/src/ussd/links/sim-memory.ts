import { HOUR_MS } from "@vigie/core/time";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Job } from "@vigie/service-kit/jobs";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { phoneHashes } from "./phones.ts";

const TAKE = `
  delete from ussd_sim_changes where tenant_id = $1 and phone_hash = any($2)
  returning changed_at as "changedAt"`;
const KEEP = "insert into ussd_sim_changes (tenant_id, phone_hash, changed_at) values ($1, $2, $3)";
const MOVE = "update ussd_sim_changes set phone_hash = $3 where tenant_id = $1 and phone_hash = $2";
const DELETE_OLD =
  "select delete_old_sim_changes(make_interval(hours => $1), $2)::float8 as deleted";

/** Rows of one statement: some ms of locks. */
const ROWS_MAX = 5_000;
/** What the database keeps at least, see its function. */
const KEPT_HOURS_MIN = 24;

/** A number, and the hash that it is kept under from now on. */
export interface HashedPhone {
  readonly tenantId: string;
  readonly phone: string;
  readonly hash: string;
}

/**
 * The last change of SIM of a number: the latest of `told` and what was known of it under any key that compares (30
 * days, as long as the longest hold), kept under `hash`. `tx`: in the tenant, with the number's lock.
 */
export async function lastSimChange(
  tx: Queryable,
  keys: Keys,
  { tenantId, phone, hash }: HashedPhone,
  told: Date | null,
): Promise<Date | null> {
  const tenant = tenantUuid(tenantId);
  const known = await tx.query<{ changedAt: Date }>(TAKE, [
    tenant,
    phoneHashes(keys, tenantId, phone),
  ]);
  const times = [told, ...known.rows.map(({ changedAt }) => changedAt)].filter((at) => at !== null);
  if (times.length === 0) return null;
  const last = new Date(Math.max(...times.map((at) => at.getTime())));
  await tx.query(KEEP, [tenant, hash, last.toISOString()]);
  return last;
}

/** Goes with a link that gets another hash. */
export async function moveSimChange(
  tx: Queryable,
  tenantId: string,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  await tx.query(MOVE, [tenantUuid(tenantId), from, to]);
}

/** Forgets changes of SIM that hold nothing back any more. Every instance runs it: a second one finds nothing. */
export const simMemoryJob = (database: Pick<Database, "query">, holdHours: number): Job => ({
  name: "ussd_sim_changes",
  everyMs: HOUR_MS,
  async run() {
    const hours = Math.max(holdHours, KEPT_HOURS_MIN);
    for (let deleted = ROWS_MAX; deleted === ROWS_MAX; ) {
      const { rows } = await database.query<{ deleted: number }>(DELETE_OLD, [hours, ROWS_MAX]);
      deleted = rows[0]?.deleted ?? 0;
    }
  },
});
