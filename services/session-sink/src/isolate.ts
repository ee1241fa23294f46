import { isRowRefused, type Queryable } from "@vigie/service-kit/postgres/database";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import { gather } from "./batch.ts";
import type { Item } from "./decode.ts";
import { type KnownRows, type Written, writeBatch } from "./write.ts";

/** A batch of which PostgreSQL takes all but some. */
export interface Isolated {
  readonly rows: Written;
  readonly refused: readonly { readonly item: Item<SinkRecord>; readonly why: string }[];
}

const nothingKnown: KnownRows = { has: () => false };

/**
 * Writes what PostgreSQL takes and names what it refuses: a refused half is split until the record
 * is found. Costs a savepoint a step, so it is for batches that were refused whole.
 */
export async function writeIsolated(
  tx: Queryable,
  items: readonly Item<SinkRecord>[],
): Promise<Isolated> {
  if (items.length === 0) return { rows: noRows, refused: [] };
  await tx.query("savepoint part");
  try {
    const rows = await writeBatch(tx, gather(items), nothingKnown);
    await tx.query("release savepoint part");
    return { rows, refused: [] };
  } catch (error) {
    if (!isRowRefused(error)) throw error;
    await tx.query("rollback to savepoint part");
    const [item] = items;
    if (items.length === 1 && item !== undefined) {
      return { rows: noRows, refused: [{ item, why: stateOf(error) }] };
    }
    const middle = items.length >> 1;
    const front = await writeIsolated(tx, items.slice(0, middle));
    const back = await writeIsolated(tx, items.slice(middle));
    return { rows: sum(front.rows, back.rows), refused: [...front.refused, ...back.refused] };
  }
}

/** The SQLSTATE alone: messages may quote the row. */
const stateOf = (error: unknown): string => `SQLSTATE ${(error as { readonly code: string }).code}`;

const noRows: Written = {
  anomalies: new Map(),
  revocations: new Map(),
  sessions: 0,
  activities: 0,
  conflicts: 0,
  acks: [],
};

type Counts = ReadonlyMap<string, number>;

function added(one: Counts, other: Counts): Counts {
  const counts = new Map(one);
  for (const [name, count] of other) counts.set(name, (counts.get(name) ?? 0) + count);
  return counts;
}

function sum(one: Written, other: Written): Written {
  return {
    anomalies: added(one.anomalies, other.anomalies),
    revocations: added(one.revocations, other.revocations),
    sessions: one.sessions + other.sessions,
    activities: one.activities + other.activities,
    conflicts: one.conflicts + other.conflicts,
    acks: [...one.acks, ...other.acks],
  };
}
