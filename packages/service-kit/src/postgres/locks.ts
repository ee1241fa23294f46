import type { Queryable } from "./database.ts";

/** What is locked by its name. Any fixed numbers: they keep one kind's locks apart from another's. */
export const LOCKS = {
  outbox: 7_061_204,
  epochs: 7_061_205,
  erasures: 7_061_206,
  verdicts: 7_061_207,
  calls: 7_061_208,
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
