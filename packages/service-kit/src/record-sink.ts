import { partitionOf } from "@vigie/core/keys";
import { dlq, drop, type Outcome } from "@vigie/core/outcome";
import { DAY_MS } from "@vigie/core/time";
import { admitEvent, MAX_AHEAD_MS_DEFAULT } from "@vigie/schemas/admit";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Sink, SinkContext, SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import { type Database, isRowRefused, type Queryable } from "./postgres/database.ts";
import { lockOffsets, readOffsets, storeOffsets } from "./postgres/sink-offsets.ts";
import { advance, isBeyond, isLost, Positions } from "./postgres/sink-positions.ts";

/** What is done with the records of one topic of key tenant|user. */
export interface RecordTaker {
  readonly topic: TopicName;
  /** Decodes and judges one record. Waits while the registry is away. */
  read(record: SinkRecord): Promise<Outcome<object>>;
  /** In the transaction that stores how far the topic was read. Throws: the record comes again. */
  take(tx: Queryable, value: object, record: SinkRecord): Promise<void>;
}

/** V is the type of the topic's contract. */
export function recordTaker<V extends object>(
  codecs: Codecs,
  topic: TopicName,
  take: (tx: Queryable, value: V, record: SinkRecord) => Promise<void>,
): RecordTaker {
  const decoder = codecs.decoder<V>(topic);
  return {
    topic,
    async read({ value, key, timestampMs }) {
      if (value === null) return dlq("VIG_RECORD_NULL");
      let decoded = decoder.decode(value);
      while (decoded.kind === "later") {
        await decoded.ready;
        decoded = decoder.decode(value);
      }
      if (decoded.kind !== "ok") return decoded;
      return admitEvent(topic, decoded.value, key, { recordTimestampMs: timestampMs, ...LIMITS });
    },
    take: take as RecordTaker["take"],
  };
}

/** Source: DESIGN, what is wrong with a record. */
const LIMITS = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: MAX_AHEAD_MS_DEFAULT };

export interface RecordSinkOptions {
  /** By which offsets are stored, without the installation's prefix: the schema keeps installations apart. */
  readonly groupId: string;
  readonly database: Database;
  readonly takers: readonly RecordTaker[];
}

interface Read {
  readonly record: SinkRecord;
  readonly taker: RecordTaker;
  readonly value: object;
}

/**
 * Takes records of few topics into PostgreSQL one by one, each exactly once: offsets are stored in the same
 * transaction. One that PostgreSQL refuses is a dead letter.
 */
export function createRecordSink(options: RecordSinkOptions): (context: SinkContext) => Sink {
  const { groupId, database } = options;
  const takers = new Map<string, RecordTaker>(options.takers.map((each) => [each.topic, each]));
  return (context) => {
    const positions = new Positions();
    return {
      async assigned(assigned) {
        const stored = await readOffsets(database, groupId, assigned);
        positions.set(stored);
        return stored;
      },
      async write(records, next) {
        const { read, unusable } = await readAll(records, takers, context);
        if (unusable.length > 0) await context.deadLetter(unusable);
        const rewind = await database.transaction(async (tx) => {
          const stored = await lockOffsets(tx, groupId, next);
          const lost = stored.filter((each) => isLost(each, positions));
          if (lost.length > 0) return lost;
          const isNew = isBeyond(stored);
          const refused = await takeAll(
            tx,
            read.filter(({ record }) => isNew(record)),
          );
          if (refused.length > 0) await context.deadLetter(refused);
          await storeOffsets(tx, groupId, advance(next, stored));
          return [];
        });
        positions.set(rewind.length > 0 ? rewind : next);
        return rewind.length > 0 ? { rewind } : undefined;
      },
      lost: (lost) => positions.forget(lost),
    };
  };
}

async function readAll(
  records: readonly SinkRecord[],
  takers: ReadonlyMap<string, RecordTaker>,
  { partitionCount }: SinkContext,
): Promise<{ readonly read: readonly Read[]; readonly unusable: readonly UnusableRecord[] }> {
  const read: Read[] = [];
  const unusable: UnusableRecord[] = [];
  for (const record of records) {
    const taker = takers.get(record.topic);
    if (taker === undefined) continue;
    const outcome = isMisrouted(record, partitionCount(record.topic))
      ? drop("misrouted")
      : await taker.read(record);
    if (outcome.kind === "ok") read.push({ record, taker, value: outcome.value });
    if (outcome.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
    }
  }
  return { read, unusable };
}

/** Right key, wrong partition: whoever sends it on has it come again. */
const isMisrouted = ({ keyBytes, partition }: SinkRecord, partitions: number): boolean =>
  keyBytes !== null && partitionOf(keyBytes, partitions) !== partition;

/** Returns: those that PostgreSQL refuses. */
async function takeAll(tx: Queryable, items: readonly Read[]): Promise<readonly UnusableRecord[]> {
  const refused: UnusableRecord[] = [];
  for (const { record, taker, value } of items) {
    await tx.query("savepoint record");
    try {
      await taker.take(tx, value, record);
      await tx.query("release savepoint record");
    } catch (error) {
      if (!isRowRefused(error)) throw error;
      await tx.query("rollback to savepoint record");
      // The SQLSTATE alone: messages may quote the row.
      const why = `SQLSTATE ${(error as { readonly code: string }).code}`;
      refused.push({ record, code: "VIG_ROW_REFUSED", details: { why } });
    }
  }
  return refused;
}
