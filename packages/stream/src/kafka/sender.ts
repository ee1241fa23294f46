import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { asVigError, recoverCluster, sendTo } from "./client.ts";
import type { Cluster, KafkajsError } from "./internals.ts";
import { pause } from "./pause.ts";
import { type OutgoingBatch, type ProducedPartition, produceRequest } from "./protocol.ts";
import { encodeBatch, messageBytes, signBatch } from "./record-batch.ts";
import type { Compression, OutgoingMessage, TopicMessages } from "./types.ts";

/** The messages of one partition in one request. */
export interface PartitionBatch {
  readonly topic: string;
  readonly partition: number;
  readonly compression: Compression;
  readonly messages: OutgoingMessage[];
}

/** A batch as it was written once, to be written again. */
export interface EncodedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  /** Messages in it. */
  readonly count: number;
}

/** Where a batch came to lie. */
export interface Written extends EncodedBatch {
  /** -1 when the broker knows the batch as written before but no longer where. */
  readonly baseOffset: number;
  /** The broker's clock at the append; -1 when it does not say. */
  readonly appendedAtMs: number;
}

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly transactionalId: string | null;
  /** Told when a send has failed more than once and is tried again. */
  readonly onAway?: (why: string) => void;
}

/** Below the broker's message.max.bytes (1,048,588 by default) with room for headers of the batch. */
export const BATCH_BYTES_MAX = 700 * 1_024;

/**
 * Splits messages into rounds of at most one batch a partition, each below BATCH_BYTES_MAX unless a single message
 * is larger. Order within a partition is kept; rounds are to be sent one after the other.
 */
export function toRounds(topics: readonly TopicMessages[]): PartitionBatch[][] {
  const rounds: PartitionBatch[][] = [];
  const openByTopic = new Map<string, Map<number, OpenBatch>>();
  for (const { topic, messages, compression = "none" } of topics) {
    const open = openByTopic.get(topic) ?? new Map<number, OpenBatch>();
    openByTopic.set(topic, open);
    for (const message of messages) {
      const { partition } = message;
      const bytes = messageBytes(message);
      const current = open.get(partition);
      if (
        current !== undefined &&
        current.bytes + bytes <= BATCH_BYTES_MAX &&
        current.batch.compression === compression
      ) {
        current.batch.messages.push(message);
        current.bytes += bytes;
        continue;
      }
      const round = current === undefined ? 0 : current.round + 1;
      const batch = { topic, partition, compression, messages: [message] };
      if (round === rounds.length) rounds.push([]);
      rounds[round]?.push(batch);
      open.set(partition, { batch, bytes, round });
    }
  }
  return rounds;
}

interface OpenBatch {
  readonly batch: PartitionBatch;
  readonly round: number;
  bytes: number;
}

/** Source: Kafka protocol error codes. */
const DUPLICATE_SEQUENCE = 46;
const FENCED = new Set([47, 49, 90]);
/** Metadata stale, time-out, too few replicas, storage, coordinator or transaction not ready: the same bytes may be sent again. */
const RETRIABLE = new Set([3, 5, 6, 7, 9, 14, 15, 16, 19, 20, 51, 56]);
const BACKOFF_FIRST_MS = 10;
const BACKOFF_MAX_MS = 1_000;
/** 10 + 20 + 40 + 80 + 160 ms of pauses. */
const REPORT_AFTER = 5;
const SEQUENCE_COUNT = 2 ** 31;

/**
 * Writes batches idempotently: each partition's batches are numbered, so that sending one again never writes it
 * twice. One send at a time. After a failure the numbers are unsure: throw the sender away, with its producer id.
 */
export class RecordSender {
  private readonly cluster: Cluster;
  private readonly identity: ProducerIdentity;
  private readonly sequences = new Map<string, number>();
  private busy = false;
  broken = false;

  constructor(cluster: Cluster, identity: ProducerIdentity) {
    this.cluster = cluster;
    this.identity = identity;
  }

  /**
   * Resolves when all batches are acknowledged by all replicas in sync.
   * Throws: VIG_PRODUCER_FENCED, VIG_BROKER_AWAY after `timeoutMs` (what was written is then unknown),
   * VIG_WRITE_REFUSED when the broker will not have a batch.
   */
  async send(
    batches: readonly (PartitionBatch | EncodedBatch)[],
    timeoutMs: number,
  ): Promise<Written[]> {
    assert(!this.busy && !this.broken, "a sender is used one send at a time, until it breaks");
    this.busy = true;
    try {
      return await this.sendAll(batches, Date.now() + timeoutMs);
    } catch (error) {
      this.broken = true;
      throw error;
    } finally {
      this.busy = false;
    }
  }

  private async sendAll(
    batches: readonly (PartitionBatch | EncodedBatch)[],
    deadlineMs: number,
  ): Promise<Written[]> {
    let pending: readonly EncodedBatch[] = batches.map((batch) => this.encode(batch));
    const written: Written[] = [];
    for (let failures = 0; pending.length > 0; failures += 1) {
      let why: unknown = null;
      const answers = await this.sendOnce(pending, deadlineMs).catch((error: unknown) => {
        if (error instanceof VigError) throw error;
        why = error;
        return { done: [] as Written[], left: pending };
      });
      written.push(...answers.done);
      pending = answers.left;
      if (pending.length === 0) break;
      const failure = asVigError(why ?? new Error("no acknowledgement in time"));
      if (Date.now() >= deadlineMs) throw failure;
      if (failures >= REPORT_AFTER) this.identity.onAway?.(failure.message);
      await pause(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
      await recoverCluster(this.cluster, why).catch(() => undefined);
    }
    for (const { topic, partition, count } of written) this.advance(topic, partition, count);
    return written;
  }

  private encode(batch: PartitionBatch | EncodedBatch): EncodedBatch {
    const { topic, partition } = batch;
    const { producerId, producerEpoch, transactionalId } = this.identity;
    const identity = {
      producerId,
      producerEpoch,
      baseSequence: this.sequences.get(`${topic}/${partition}`) ?? 0,
      transactional: transactionalId !== null,
    };
    if ("bytes" in batch) {
      signBatch(batch.bytes, identity);
      return batch;
    }
    const { compression, messages } = batch;
    const bytes = encodeBatch(messages, identity, { nowMs: Date.now(), compression });
    return { topic, partition, bytes, count: messages.length };
  }

  private advance(topic: string, partition: number, count: number): void {
    const key = `${topic}/${partition}`;
    this.sequences.set(key, ((this.sequences.get(key) ?? 0) + count) % SEQUENCE_COUNT);
  }

  /** One request a leader. What failed in a way that may pass is left for another try. */
  private async sendOnce(
    batches: readonly EncodedBatch[],
    deadlineMs: number,
  ): Promise<{ done: Written[]; left: EncodedBatch[] }> {
    await this.cluster.refreshMetadataIfNecessary();
    const byLeader = new Map<number, EncodedBatch[]>();
    for (const batch of batches) {
      const leader = this.leaderOf(batch);
      const group = byLeader.get(leader);
      if (group === undefined) byLeader.set(leader, [batch]);
      else group.push(batch);
    }
    const timeoutMs = Math.max(1_000, deadlineMs - Date.now());
    const results = await Promise.all(
      [...byLeader].map(([leader, group]) => this.sendToLeader(leader, group, timeoutMs)),
    );
    return {
      done: results.flatMap(({ done }) => done),
      left: results.flatMap(({ left }) => left),
    };
  }

  private leaderOf({ topic, partition }: OutgoingBatch): number {
    const all = this.cluster.findTopicPartitionMetadata(topic);
    const found = all.find(({ partitionId }) => partitionId === partition);
    if (found !== undefined) return found.leader;
    if (all.length === 0) throw new VigError("VIG_TOPIC_MISSING", { topic });
    throw new VigError("VIG_INVARIANT", { what: `${topic} has a partition ${partition}` });
  }

  private async sendToLeader(
    leader: number,
    batches: readonly EncodedBatch[],
    timeoutMs: number,
  ): Promise<{ done: Written[]; left: EncodedBatch[] }> {
    let answers: readonly ProducedPartition[];
    try {
      const broker = await this.cluster.findBroker({ nodeId: leader });
      const { transactionalId } = this.identity;
      answers = await sendTo(broker, produceRequest(batches, { transactionalId, timeoutMs }));
    } catch (error) {
      if (error instanceof VigError || isFinal(error)) throw asVigError(error);
      return { done: [], left: [...batches] };
    }
    const done: Written[] = [];
    const left: EncodedBatch[] = [];
    const keyed = new Map(answers.map((answer) => [`${answer.topic}/${answer.partition}`, answer]));
    for (const batch of batches) {
      const answer = keyed.get(`${batch.topic}/${batch.partition}`);
      assert(answer !== undefined, "the broker answers for every batch");
      if (this.isWritten(answer)) done.push({ ...batch, ...placeOf(answer) });
      else left.push(batch);
    }
    return { done, left };
  }

  private isWritten({ topic, partition, errorCode }: ProducedPartition): boolean {
    if (errorCode === 0 || errorCode === DUPLICATE_SEQUENCE) return true;
    if (RETRIABLE.has(errorCode)) return false;
    if (FENCED.has(errorCode)) {
      const transactionalId = this.identity.transactionalId ?? "the producer";
      throw new VigError("VIG_PRODUCER_FENCED", { transactionalId });
    }
    throw new VigError("VIG_WRITE_REFUSED", { topic, partition, errorCode });
  }
}

const placeOf = ({ baseOffset, appendedAtMs }: ProducedPartition) => ({ baseOffset, appendedAtMs });

/** Errors that no second try can heal: authentication, authorisation, a protocol that the broker does not speak. */
function isFinal(error: unknown): boolean {
  const { name, type = "" } = error as KafkajsError;
  return (
    name === "KafkaJSSASLAuthenticationError" ||
    name === "KafkaJSServerDoesNotSupportApiKey" ||
    type.endsWith("AUTHORIZATION_FAILED")
  );
}
