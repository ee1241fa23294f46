import type { VigError } from "@vigie/core/errors";
import { endOffsetsOf, lowOffsetsOf, stableOffsetsOf } from "./admin.ts";
import { asVigError, closeCluster, type KafkaClient, openCluster, withRecovery } from "./client.ts";
import { Fetcher, type FetchSettings } from "./fetcher.ts";
import type { Cluster } from "./internals.ts";
import type { FetchedRecord, TopicPartition } from "./types.ts";

export interface ReadRange {
  readonly topic: string;
  readonly partition: number;
  /** Where to begin; "earliest": at the oldest record held. */
  readonly from: number | "earliest";
  /** Behind the last record to read; "end": the high watermark at the start of the read. */
  readonly to: number | "end";
}

export interface ReadProgress {
  /** Offset behind what has been read: control and aborted records count. */
  readonly position: number;
  readonly end: number;
}

export interface FollowTarget {
  readonly topic: string;
  readonly partition: number;
  readonly from: number | "earliest";
}

export interface Following {
  stop(): void;
}

export interface FollowEvents {
  /** Told also when nothing came, so that positions stay known. */
  records(records: readonly FetchedRecord[], progress: ReadProgress, of: TopicPartition): void;
  failed(error: VigError): void;
  broker?(up: boolean, why?: string): void;
}

/** Reads committed records of chosen partitions, in no group and committing nothing. */
export interface LoneReader {
  /**
   * Reads one range to its end. `onRecords` gets what is committed, in order; control and aborted records only move
   * the position. Resolves with the position reached, which is the range's end.
   * Throws: VIG_OFFSET_OUT_OF_RANGE when the beginning is no longer (or not yet) in the log.
   */
  read(
    range: ReadRange,
    onRecords: (records: readonly FetchedRecord[], progress: ReadProgress) => void,
  ): Promise<number>;
  /** Reads on for ever. The promise resolves once polling has begun. */
  follow(targets: readonly FollowTarget[], on: FollowEvents): Promise<Following>;
  /** High watermarks in order of partition. */
  endOffsets(topic: string): Promise<readonly number[]>;
  /** Last stable offsets in order of partition: where this reader ends. */
  stableOffsets(topic: string): Promise<readonly number[]>;
  lowOffsets(topic: string): Promise<readonly number[]>;
  /** Ends what is being read: reads reject. */
  close(): Promise<void>;
}

/** Restores are bound by decoding: 4 MiB a fetch keeps the next one under way meanwhile. */
const SETTINGS: FetchSettings = {
  maxWaitMs: 200,
  minBytes: 1,
  maxBytes: 4 * 1_024 * 1_024,
  maxBytesPerPartition: 4 * 1_024 * 1_024,
};

class ClusterReader implements LoneReader {
  private readonly client: KafkaClient;
  /** One for each partition being read, so that reads do not wait for each other's polls. */
  private readonly clusters = new Set<Cluster>();
  private readonly closers = new Set<(error: VigError) => void>();
  private readonly main: Cluster;

  constructor(client: KafkaClient, main: Cluster) {
    this.client = client;
    this.main = main;
  }

  endOffsets(topic: string): Promise<readonly number[]> {
    return withRecovery(this.main, () => endOffsetsOf(this.main, topic));
  }

  stableOffsets(topic: string): Promise<readonly number[]> {
    return withRecovery(this.main, () => stableOffsetsOf(this.main, topic));
  }

  lowOffsets(topic: string): Promise<readonly number[]> {
    return withRecovery(this.main, () => lowOffsetsOf(this.main, topic));
  }

  async read(
    range: ReadRange,
    onRecords: (records: readonly FetchedRecord[], progress: ReadProgress) => void,
  ): Promise<number> {
    const { topic, partition } = range;
    const end = range.to === "end" ? ((await this.endOffsets(topic))[partition] ?? 0) : range.to;
    const from = await this.beginning(range);
    if (from >= end) return from;
    const cluster = await this.openCluster([topic]);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    const fetcher = new Fetcher(cluster, {
      log: this.client.log,
      settings: SETTINGS,
      on: {
        chunk: (chunk) => {
          const position = Math.min(chunk.nextOffset, end);
          const within = upTo(chunk.records, end);
          if (within.length > 0) onRecords(within, { position, end });
          if (chunk.nextOffset >= end) resolve(end);
        },
        broker: () => undefined,
        failed: reject,
      },
    });
    this.closers.add(reject);
    try {
      fetcher.add({ topic, partition, offset: from });
      return await promise;
    } finally {
      this.closers.delete(reject);
      fetcher.stop();
      await this.closeCluster(cluster);
    }
  }

  async follow(targets: readonly FollowTarget[], on: FollowEvents): Promise<Following> {
    const topics = [...new Set(targets.map(({ topic }) => topic))];
    const cluster = await this.openCluster(topics);
    const fetcher = new Fetcher(cluster, {
      log: this.client.log,
      settings: SETTINGS,
      on: {
        chunk: (chunk) =>
          on.records(
            chunk.records,
            { position: chunk.nextOffset, end: chunk.highWatermark },
            { topic: chunk.topic, partition: chunk.partition },
          ),
        broker: (up, why) => on.broker?.(up, why),
        failed: on.failed,
      },
    });
    for (const target of targets) {
      const { topic, partition } = target;
      fetcher.add({ topic, partition, offset: await this.beginning(target) });
    }
    return {
      stop: () => {
        fetcher.stop();
        void this.closeCluster(cluster);
      },
    };
  }

  async close(): Promise<void> {
    for (const reject of this.closers) reject(asVigError(new Error("the reader was closed")));
    await Promise.all([...this.clusters, this.main].map((cluster) => this.closeCluster(cluster)));
  }

  private async beginning(target: FollowTarget): Promise<number> {
    if (target.from !== "earliest") return target.from;
    return (await this.lowOffsets(target.topic))[target.partition] ?? 0;
  }

  private async openCluster(topics: readonly string[]): Promise<Cluster> {
    const cluster = await openCluster(this.client, topics);
    this.clusters.add(cluster);
    return cluster;
  }

  private async closeCluster(cluster: Cluster): Promise<void> {
    this.clusters.delete(cluster);
    await closeCluster(cluster);
  }
}

function upTo(records: readonly FetchedRecord[], end: number): readonly FetchedRecord[] {
  const last = records.at(-1);
  if (last === undefined || last.offset < end) return records;
  return records.filter(({ offset }) => offset < end);
}

/** Throws: VIG_BROKER_AWAY when no broker answers. */
export async function openLoneReader(client: KafkaClient): Promise<LoneReader> {
  return new ClusterReader(client, await openCluster(client, []));
}
