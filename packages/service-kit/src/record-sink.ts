import { assert } from "@vigie/core/assert";
import { partitionOf } from "@vigie/core/keys";
import { type DropReason, dlq, drop, type Outcome } from "@vigie/core/outcome";
import { DAY_MS } from "@vigie/core/time";
import { admitEvent, MAX_AHEAD_MS_DEFAULT } from "@vigie/schemas/admit";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Sink, SinkContext, SinkRecord, UnusableRecord } from "@vigie/stream/kafka/sink";
import type { StreamObserver, Tally } from "@vigie/stream/observer";
import { type Database, isRowRefused, type Queryable } from "./postgres/database.ts";
import { lockOffsets, readOffsets, storeOffsets } from "./postgres/sink-offsets.ts";
import { advance, isBeyond, isLost, Positions } from "./postgres/sink-positions.ts";

/** What is done with the records of one topic of key tenant|user. */
export interface RecordTaker {
  readonly topic: TopicName;
  /** Decodes and judges one record. Waits while the registry is away. */
  read(record: SinkRecord): Promise<Outcome<object>>;
  /**
   * In the transaction that stores how far the topic was read. Throws: the record comes again.
   * Returns: why it had no effect, where it had none; or what is to be told of it after the commit.
   */
  take(tx: Queryable, value: object, record: SinkRecord): Promise<Taken>;
}

// biome-ignore lint/suspicious/noConfusingVoidType: most takers have nothing to say
export type Taken = DropReason | (() => void) | void;

/** V is the type of the topic's contract. */
export function recordTaker<V extends object>(
  codecs: Codecs,
  topic: TopicName,
  take: (tx: Queryable, value: V, record: SinkRecord) => Promise<Taken>,
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
  /** Told after each commit, so that what is written again counts once; what is to come again does not count yet. */
  readonly told?: (tally: Tally) => void;
}

/** The reader does not see what was dropped: an observer whose tallies are those of a sink that tells them. */
export function tallying(inner: StreamObserver): {
  readonly observer: StreamObserver;
  readonly told: (tally: Tally) => void;
} {
  let latest: Tally | null = null;
  return {
    observer: {
      ...inner,
      committed: (event) => inner.committed({ ...event, tally: latest ?? event.tally }),
    },
    told(tally) {
      latest = tally;
    },
  };
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
  const { groupId, database, told } = options;
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
        const { read, unusable, dropped } = await readAll(records, takers, context);
        if (unusable.length > 0) await context.deadLetter(unusable);
        const committed = await database.transaction(async (tx) => {
          const stored = await lockOffsets(tx, groupId, next);
          const rewind = stored.filter((each) => isLost(each, positions));
          if (rewind.length > 0) return { rewind };
          const isNew = isBeyond(stored);
          const fresh = read.filter(({ record }) => isNew(record));
          const outcome = await takeAll(tx, fresh);
          if (outcome.unusable.length > 0) await context.deadLetter(outcome.unusable);
          await storeOffsets(tx, groupId, advance(next, stored));
          return outcome;
        });
        if ("rewind" in committed) {
          positions.set(committed.rewind);
          told?.(tallyOf(0, [], []));
          return committed;
        }
        positions.set(next);
        for (const tell of committed.effects) tell();
        told?.(
          tallyOf(
            records.length,
            [...dropped, ...committed.dropped],
            [...unusable, ...committed.unusable],
          ),
        );
        return undefined;
      },
      lost: (lost) => positions.forget(lost),
    };
  };
}

/** What of a batch had no effect. */
interface Ineffective {
  readonly unusable: readonly UnusableRecord[];
  readonly dropped: readonly DropReason[];
}

function tallyOf(
  consumed: number,
  dropped: readonly DropReason[],
  unusable: readonly UnusableRecord[],
): Tally {
  const ok = consumed - dropped.length - unusable.length;
  const tally: Tally = { consumed, ok, redirected: 0, dropped: {}, dlq: {} };
  for (const reason of dropped) tally.dropped[reason] = (tally.dropped[reason] ?? 0) + 1;
  for (const { code } of unusable) tally.dlq[code] = (tally.dlq[code] ?? 0) + 1;
  return tally;
}

async function readAll(
  records: readonly SinkRecord[],
  takers: ReadonlyMap<string, RecordTaker>,
  { partitionCount }: SinkContext,
): Promise<Ineffective & { readonly read: readonly Read[] }> {
  const read: Read[] = [];
  const unusable: UnusableRecord[] = [];
  const dropped: DropReason[] = [];
  for (const record of records) {
    const taker = takers.get(record.topic);
    assert(taker !== undefined, "records come of topics that somebody takes");
    const outcome = isMisrouted(record, partitionCount(record.topic))
      ? drop("misrouted")
      : await taker.read(record);
    if (outcome.kind === "ok") read.push({ record, taker, value: outcome.value });
    if (outcome.kind === "drop") dropped.push(outcome.reason);
    if (outcome.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
    }
  }
  return { read, unusable, dropped };
}

/** Right key, wrong partition: whoever sends it on has it come again. */
const isMisrouted = ({ keyBytes, partition }: SinkRecord, partitions: number): boolean =>
  keyBytes !== null && partitionOf(keyBytes, partitions) !== partition;

async function takeAll(
  tx: Queryable,
  items: readonly Read[],
): Promise<Ineffective & { readonly effects: readonly (() => void)[] }> {
  const unusable: UnusableRecord[] = [];
  const dropped: DropReason[] = [];
  const effects: (() => void)[] = [];
  for (const { record, taker, value } of items) {
    await tx.query("savepoint record");
    try {
      const taken = await taker.take(tx, value, record);
      await tx.query("release savepoint record");
      if (typeof taken === "string") dropped.push(taken);
      if (typeof taken === "function") effects.push(taken);
    } catch (error) {
      if (!isRowRefused(error)) throw error;
      await tx.query("rollback to savepoint record");
      // The SQLSTATE alone: messages may quote the row.
      const why = `SQLSTATE ${(error as { readonly code: string }).code}`;
      unusable.push({ record, code: "VIG_ROW_REFUSED", details: { why } });
    }
  }
  return { unusable, dropped, effects };
}
