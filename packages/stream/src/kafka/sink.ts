import type { VigCode } from "@vigie/core/catalogue";
import type { ErrorDetails, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { StreamObserver } from "../observer.ts";
import { closeCluster, type KafkaClient, openCluster } from "./client.ts";
import { openBatchingProducer } from "./producer.ts";
import { SinkRunner } from "./sink-runner.ts";
import type { RecordHeader, TopicPartition } from "./types.ts";

export interface SinkRecord {
  /** Catalogue name. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  /** "" when there is none. */
  readonly key: string;
  readonly keyBytes: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** How far a batch moves an input, by catalogue name. */
export interface SinkPosition extends TopicPartition {
  /** Where reading goes on after the batch: to be stored with its effect. */
  readonly offset: number;
  /** Where the last batch ended: what the store must hold, else another member has written meanwhile. */
  readonly from: number;
}

/** offset null: nothing is stored; the group's own committed offset counts, else the oldest record. */
export interface StoredPosition extends TopicPartition {
  readonly offset: number | null;
}

/** A record that cannot be used: it goes to its topic's dead letters, bytes and key unchanged. */
export interface UnusableRecord {
  readonly record: SinkRecord;
  readonly code: VigCode;
  readonly details: ErrorDetails;
}

export interface SinkContext {
  /**
   * Writes dead letters; resolves once they are acknowledged by all replicas. To be called in `write`, before it
   * stores the offsets: a crash in between writes a dead letter twice, never none.
   */
  deadLetter(records: readonly UnusableRecord[]): Promise<void>;
  /** Of a topic by catalogue name, as the broker has it; known while records come. */
  partitionCount(topic: string): number;
}

/** Where positions have gone back, because the store holds less than it was given. */
export interface SinkRewind {
  readonly rewind: readonly StoredPosition[];
}

/** Applies records to a store that keeps the offsets itself, in the same transaction as the effect. */
export interface Sink {
  /** Stored positions of newly assigned partitions. Throws while the store is away: tried again. */
  assigned(partitions: readonly TopicPartition[]): Promise<readonly StoredPosition[]>;
  /**
   * Applies a batch and stores `next`, atomically. A batch may be empty: positions moved over records of others'
   * transactions. Throws: the same batch comes again, after a pause, for as long as it takes.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: most sinks have nothing to say
  write(batch: readonly SinkRecord[], next: readonly SinkPosition[]): Promise<SinkRewind | void>;
  /** Called with partitions that are no longer assigned. */
  lost?(partitions: readonly TopicPartition[]): void;
}

export interface SinkOptions {
  readonly client: KafkaClient;
  readonly groupId: string;
  /** Catalogue names; all must exist. */
  readonly topics: readonly string[];
  readonly prefix: string;
  /** Name in the headers of dead letters. */
  readonly service: string;
  readonly sink: Sink | ((context: SinkContext) => Sink);
  readonly log: Logger;
  readonly observer: StreamObserver;
  /** Default 1,000 records or 10 ms after the first. */
  readonly batchRecordsMax?: number;
  readonly batchMs?: number;
  readonly bufferBytesMax?: number;
  readonly memberIdFile?: string | null;
  /** How long `stop` waits for a store that is away. Default 5 s. */
  readonly drainTimeoutMs?: number;
  /**
   * Records cannot be taken, or can again: for health. Whatever the reason: the store is away or refuses, a dead
   * letter cannot be written.
   */
  readonly onWriting?: (up: boolean, why?: string) => void;
}

export interface RunningSink {
  /** Writes what is buffered as far as the store takes it in drainTimeoutMs, leaves the group. */
  stop(): Promise<void>;
  /** Resolves with what stopped the sink; never while it runs well. */
  readonly failed: Promise<VigError>;
}

/**
 * Reads topics as a member of a group and hands committed records to a sink, in order per partition.
 * Throws: VIG_TOPIC_MISSING, VIG_BROKER_AWAY.
 */
export async function startSink(options: SinkOptions): Promise<RunningSink> {
  const cluster = await openCluster(options.client, []);
  const producer = await openBatchingProducer(options.client);
  const runner = new SinkRunner(options, cluster, producer);
  try {
    await runner.start();
    return runner;
  } catch (error) {
    await producer.close();
    await closeCluster(cluster);
    throw error;
  }
}
