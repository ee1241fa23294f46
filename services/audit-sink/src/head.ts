import type { Frontier } from "@vigie/audit-log/tree";
import { byteaArray } from "@vigie/service-kit/postgres/binary-array";
import type { Queryable } from "@vigie/service-kit/postgres/database";

/** The newest state of the log. */
export interface Head {
  readonly frontier: Frontier;
  /** How many subjects' keys were destroyed. */
  readonly destroyed: number;
  /** Until when the newest erasure reaches, ms since the epoch. */
  readonly erasedUntilMs: number;
}

const READ = "select size, frontier, destroyed, erased_until_ms from audit_head";
const WRITE =
  "update audit_head set size = $1, frontier = $2, destroyed = $3, erased_until_ms = $4";

interface HeadRow {
  readonly size: number;
  readonly frontier: readonly Buffer[];
  readonly destroyed: number;
  readonly erased_until_ms: number;
}

/** As it is committed. */
export const readHead = (db: Queryable): Promise<Head> => read(db, READ);

/** Held until the transaction ends: nobody else appends meanwhile. */
export const lockHead = (tx: Queryable): Promise<Head> => read(tx, `${READ} for update`);

async function read(db: Queryable, text: string): Promise<Head> {
  const { rows } = await db.query<HeadRow>(text);
  const { size, frontier, destroyed, erased_until_ms } = rows[0] as HeadRow;
  return {
    frontier: { size: BigInt(size), hashes: frontier },
    destroyed,
    erasedUntilMs: erased_until_ms,
  };
}

export async function writeHead(tx: Queryable, head: Head): Promise<void> {
  const { frontier, destroyed, erasedUntilMs } = head;
  const { size, hashes } = frontier;
  await tx.query(WRITE, [size, byteaArray(hashes), destroyed, erasedUntilMs]);
}
