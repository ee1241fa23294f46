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
  /**
   * Tells Redis that the partitions which are complete still are, and looks whether it still holds what was written.
   * Returns: false when it does not: the sink has to begin anew.
   */
  vouch(): Promise<boolean>;
}

interface Held {
  /** Where the last write of this partition ended. */
  offset: number;
  /** End of the partition when its reading began: from there on it is complete. */
  readonly targetOffset: number;
}

/** Fills the cache from the compacted topic. Offsets lie in Redis, written in the same step as the sessions. */
export function createCacheSink(
  { cache, decoder, ends, log }: CacheSinkOptions,
  context: SinkContext,
): CacheSink {
  const held = new Map<number, Held>();

  /** Where to go on, as Redis has it. */
  async function take(partitions: readonly number[]): Promise<StoredPosition[]> {
    const [stable, low] = await Promise.all([ends.stable(), ends.low()]);
    // Nobody vouches for what lies there until it has been read to today's end.
    await cache.distrust(partitions);
    const stored = await cache.offsets(partitions);
    const strange = partitions.filter(
      (partition, at) => (stored[at] ?? 0) > (stable[partition] ?? 0),
    );
    if (strange.length > 0) {
      log.warn({ partitions: strange }, "cache.offsets_of_another_topic");
      await cache.distrust(strange, true);
    }
    return partitions.map((partition, at) => {
      const offset = strange.includes(partition) ? 0 : (stored[at] ?? 0);
      held.set(partition, { offset, targetOffset: stable[partition] ?? 0 });
      return { topic: STATE_TOPIC, partition, offset: Math.max(offset, low[partition] ?? 0) };
    });
  }

  const heldOf = (partition: number): Held => {
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
      const writes = next.map(({ partition, offset }) =>
        writeOf(partition, heldOf(partition), decoded.records.get(partition) ?? [], offset),
      );
      const results = await cache.write(writes);
      const gone: number[] = [];
      for (const [at, { partition, nextOffset }] of writes.entries()) {
        if (results[at]?.kind === "lost") gone.push(partition);
        else heldOf(partition).offset = nextOffset;
      }
      if (gone.length === 0) return undefined;
      log.warn({ partitions: gone }, "cache.lost_data");
      return { rewind: await take(gone) };
    },
    async vouch() {
      const writes = [...held].map(([partition, state]) =>
        writeOf(partition, state, [], state.offset),
      );
      const results = await cache.write(writes);
      return results.every(({ kind }) => kind !== "lost");
    },
  };
}

const writeOf = (
  partition: number,
  { offset, targetOffset }: Held,
  records: readonly CacheRecord[],
  nextOffset: number,
): PartitionWrite => ({
  partition,
  records,
  fromOffset: offset,
  nextOffset,
  complete: nextOffset >= targetOffset,
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
