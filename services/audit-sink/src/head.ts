import type { Frontier } from "@vigie/audit-log/tree";
import { byteaArray } from "@vigie/service-kit/postgres/binary-array";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Reading } from "./reading.ts";

/** The newest state of the log. */
export interface Head {
  readonly frontier: Frontier;
  /** How many subjects' keys were destroyed. */
  readonly destroyed: number;
  /** Until when the newest erasure reaches, ms since the epoch. */
  readonly erasedUntilMs: number;
  readonly reading: Reading;
}

const READ = `
  select size, frontier, destroyed, erased_until_ms, read_since_ms, read_at_ms from audit_head`;
const WRITE = `
  update audit_head
     set size = $1, frontier = $2, destroyed = $3, erased_until_ms = $4, read_since_ms = $5,
         read_at_ms = $6`;

interface HeadRow {
  readonly size: number;
  readonly frontier: readonly Buffer[];
  readonly destroyed: number;
  readonly erased_until_ms: number;
  readonly read_since_ms: number;
  readonly read_at_ms: number;
}

/** As it is committed. */
export const readHead = (db: Queryable): Promise<Head> => read(db, READ);

/** Held until the transaction ends: nobody else appends meanwhile. */
export const lockHead = (tx: Queryable): Promise<Head> => read(tx, `${READ} for update`);

async function read(db: Queryable, text: string): Promise<Head> {
  const { rows } = await db.query<HeadRow>(text);
  const { size, frontier, destroyed, ...times } = rows[0] as HeadRow;
  return {
    frontier: { size: BigInt(size), hashes: frontier },
    destroyed,
    erasedUntilMs: times.erased_until_ms,
    reading: { sinceMs: times.read_since_ms, atMs: times.read_at_ms },
  };
}

export async function writeHead(tx: Queryable, head: Head): Promise<void> {
  const { frontier, destroyed, erasedUntilMs, reading } = head;
  const { size, hashes } = frontier;
  const times = [erasedUntilMs, reading.sinceMs, reading.atMs];
  await tx.query(WRITE, [size, byteaArray(hashes), destroyed, ...times]);
}
