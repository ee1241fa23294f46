import type { Queryable } from "./database.ts";

/** What is locked by its name. Any fixed numbers: they keep one kind's locks apart from another's. */
export const LOCKS = {
  outbox: 7_061_204,
  epochs: 7_061_205,
  erasures: 7_061_206,
  verdicts: 7_061_207,
  calls: 7_061_208,
  forgetting: 7_061_209,
  places: 7_061_210,
  phones: 7_061_211,
} as const;

const LOCK = "select pg_advisory_xact_lock($1, hashtext(current_schema() || $2))";

/** One transaction at a time for a name, until its commit. */
export async function lockName(
  tx: Queryable,
  kind: keyof typeof LOCKS,
  name: string,
): Promise<void> {
  await tx.query(LOCK, [LOCKS[kind], name]);
}

const LOCK_SHARED = "select pg_advisory_xact_lock_shared($1, hashtext(current_schema() || $2))";

/** Many transactions at a time for a name, but none beside one that has it by `lockName`. */
export async function shareName(
  tx: Queryable,
  kind: keyof typeof LOCKS,
  name: string,
): Promise<void> {
  await tx.query(LOCK_SHARED, [LOCKS[kind], name]);
}
