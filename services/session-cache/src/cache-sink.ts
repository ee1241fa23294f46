import { assert } from "@vigie/core/assert";
import type { Logger } from "@vigie/core/log";
import type { Decoder } from "@vigie/schemas/codec-core";
import type { SessionState } from "@vigie/schemas/types";
import type {
  Sink,
  SinkContext,
  SinkRecord,
  SinkRewind,
  StoredPosition,
  UnusableRecord,
} from "@vigie/stream/kafka/sink";
import type { CacheRecord, PartitionWrite, SessionCache } from "./cache.ts";

export const STATE_TOPIC = "id.session.state";

/** Ends of the topic, in order of partition. */
export interface TopicEnds {
  /** Where a read-committed reader ends. */
  stable(): Promise<readonly number[]>;
  low(): Promise<readonly number[]>;
}

export interface CacheSinkOptions {
  readonly cache: SessionCache;
  readonly decoder: Decoder<SessionState>;
  readonly ends: TopicEnds;
  readonly log: Logger;
}

export interface CacheSink extends Sink {
  /** Whether Redis still holds what was written; if not, the sink has to begin anew. */
  isWhole(): Promise<boolean>;
}

/** Fills the cache from the compacted topic. Offsets lie in Redis, written in the same step as the sessions. */
export function createCacheSink(
  { cache, decoder, ends, log }: CacheSinkOptions,
  context: SinkContext,
): CacheSink {
  /** Where the last write of each partition ended. */
  const held = new Map<number, number>();

  /** Where to go on, as Redis has it. */
  async function take(partitions: readonly number[]): Promise<StoredPosition[]> {
    const [stable, low] = await Promise.all([ends.stable(), ends.low()]);
    const stored = await cache.offsets(partitions);
    const strange = partitions.filter(
      (partition, at) => (stored[at] ?? 0) > (stable[partition] ?? 0),
    );
    if (strange.length > 0) {
      log.warn({ partitions: strange }, "cache.offsets_of_another_topic");
      await cache.reset(strange);
    }
    return partitions.map((partition, at) => {
      const offset = strange.includes(partition) ? 0 : (stored[at] ?? 0);
      held.set(partition, offset);
      return { topic: STATE_TOPIC, partition, offset: Math.max(offset, low[partition] ?? 0) };
    });
  }

  const heldOf = (partition: number): number => {
    const found = held.get(partition);
    assert(found !== undefined, "records come from assigned partitions only");
    return found;
  };

  return {
    assigned: (partitions) => take(partitions.map(({ partition }) => partition)),
    lost(partitions) {
      for (const { partition } of partitions) held.delete(partition);
    },
    async write(batch, next): Promise<SinkRewind | undefined> {
      const decoded = await decodeAll(batch, decoder);
      if (decoded.unusable.length > 0) await context.deadLetter(decoded.unusable);
      const writes = next.map(({ partition, offset }) => ({
        partition,
        records: decoded.records.get(partition) ?? [],
        fromOffset: heldOf(partition),
        nextOffset: offset,
      }));
      const results = await cache.write(writes);
      const gone: number[] = [];
      for (const [at, { partition, nextOffset }] of writes.entries()) {
        if (results[at]?.kind === "lost") gone.push(partition);
        else held.set(partition, nextOffset);
      }
      if (gone.length === 0) return undefined;
      log.warn({ partitions: gone }, "cache.lost_data");
      return { rewind: await take(gone) };
    },
    async isWhole() {
      const writes = [...held].map(([partition, offset]) => nothingAt(partition, offset));
      const results = await cache.write(writes);
      return results.every(({ kind }) => kind !== "lost");
    },
  };
}

const nothingAt = (partition: number, offset: number): PartitionWrite => ({
  partition,
  records: [],
  fromOffset: offset,
  nextOffset: offset,
});

interface Decoded {
  readonly records: ReadonlyMap<number, readonly CacheRecord[]>;
  readonly unusable: readonly UnusableRecord[];
}

async function decodeAll(
  batch: readonly SinkRecord[],
  decoder: Decoder<SessionState>,
): Promise<Decoded> {
  const records = new Map<number, CacheRecord[]>();
  const unusable: UnusableRecord[] = [];
  for (const record of batch) {
    const { key, partition, value } = record;
    const outcome = value === null ? null : await decode(value, decoder);
    if (outcome?.kind === "dlq") {
      unusable.push({ record, code: outcome.code, details: outcome.details });
      continue;
    }
    if (outcome !== null && outcome.kind !== "ok") continue;
    const taken = records.get(partition) ?? [];
    taken.push({ key, state: outcome?.value ?? null });
    records.set(partition, taken);
  }
  return { records, unusable };
}

async function decode(value: Buffer, decoder: Decoder<SessionState>) {
  for (;;) {
    const outcome = decoder.decode(value);
    if (outcome.kind !== "later") return outcome;
    await outcome.ready;
  }
}
