import { VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import { asVigError, closeCluster, type KafkaClient, loadTopics, openCluster } from "./client.ts";
import type { Cluster } from "./internals.ts";
import { pause } from "./pause.ts";
import { messageBytes } from "./record-batch.ts";
import { BATCH_BYTES_MAX, type PartitionBatch, RecordSender, type Written } from "./sender.ts";
import type { Compression, OutgoingMessage } from "./types.ts";

export interface PublishRecord {
  /** Physical name. */
  readonly topic: string;
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string>>;
  /**
   * Default: that of the key, as Java's default partitioner chooses it. Wraps around in a topic with fewer: dead
   * letters take the partition of their source, whatever an operator made of theirs.
   */
  readonly partition?: number;
  readonly compression?: Compression;
  /** Record time, where the topic keeps the producer's; default: when it is sent. */
  readonly timestampMs?: number;
}

export interface Published {
  readonly partition: number;
  /** -1 in the rare case that the broker had the record already and no longer knows where. */
  readonly offset: number;
  /** The broker's clock when it appended the record; -1 when it does not say. */
  readonly appendedAtMs: number;
}

export interface BatchingProducerOptions {
  /** How long a record waits at most for others to share its request. Default 1 ms, and no less. */
  readonly lingerMs?: number;
  /** Bytes of records not yet acknowledged. Default 32 MiB. */
  readonly bufferBytesMax?: number;
  /** A record that is not acknowledged by then is answered VIG_BROKER_AWAY. Default 10 s. */
  readonly deliveryTimeoutMs?: number;
  /** Called on changes of `healthy`. */
  readonly onBroker?: (up: boolean, why?: string) => void;
}

/** Publishes records in few requests, each acknowledged by all replicas in sync before its promise resolves. */
export interface BatchingProducer {
  /**
   * Resolves with where the record lies. Order is kept within a partition.
   * Throws: VIG_BUFFER_FULL at once; VIG_BROKER_AWAY when not acknowledged in time (it may still have been written);
   * VIG_TOPIC_MISSING; VIG_WRITE_REFUSED.
   */
  publish(record: PublishRecord): Promise<Published>;
  readonly bufferedBytes: number;
  /** Whether the last request was acknowledged. */
  readonly healthy: boolean;
  /** Sends what is buffered, waits for it (deliveryTimeoutMs at most), closes. */
  close(): Promise<void>;
}

const LINGER_MS = 1;
/** So many bytes wait for no more company. Source: batch.size of the Java client; here of all partitions together. */
const GATHERED_BYTES = 16_384;
const BUFFER_BYTES_MAX = 32 * 1_024 * 1_024;
const DELIVERY_TIMEOUT_MS = 10_000;
/** A round takes this much over all partitions: far below the broker's socket.request.max.bytes of 100 MiB. */
const ROUND_BYTES_MAX = 4 * 1_024 * 1_024;
const BACKOFF_FIRST_MS = 20;
const BACKOFF_MAX_MS = 500;
/** Of no effect without transactions, but part of the request. Source: Java client's transaction.timeout.ms. */
const ID_TIMEOUT_MS = 60_000;

interface Waiting {
  readonly topic: string;
  /** Its partition is chosen when it is sent: only then the topic is known for certain. */
  readonly message: { -readonly [K in keyof OutgoingMessage]: OutgoingMessage[K] };
  readonly compression: Compression;
  readonly bytes: number;
  readonly deadlineMs: number;
  /** Answered, one way or the other. */
  done: boolean;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: VigError) => void;
}

class Producer implements BatchingProducer {
  private readonly client: KafkaClient;
  private readonly options: BatchingProducerOptions;
  private cluster: Cluster | null = null;
  private sender: RecordSender | null = null;
  private queue: Waiting[] = [];
  private inFlight: readonly Waiting[] = [];
  private expiry: NodeJS.Timeout | null = null;
  private lingering: NodeJS.Timeout | null = null;
  private pumping: Promise<void> | null = null;
  private failures = 0;
  private closed = false;
  bufferedBytes = 0;
  healthy = true;

  constructor(client: KafkaClient, options: BatchingProducerOptions) {
    this.client = client;
    this.options = options;
  }

  /** Connects. A broker that is away is waited for in the background, by the first record. */
  async open(): Promise<void> {
    try {
      this.cluster = await openCluster(this.client, []);
    } catch (error) {
      await this.afterFailure(error);
    }
  }

  publish(record: PublishRecord): Promise<Published> {
    const { bufferBytesMax = BUFFER_BYTES_MAX, lingerMs = LINGER_MS } = this.options;
    if (this.closed) return Promise.reject(closedError());
    const { key, value, headers, timestampMs } = record;
    const draft = {
      partition: -1,
      key,
      value,
      ...(headers !== undefined && { headers }),
      ...(timestampMs !== undefined && { timestampMs }),
    };
    const bytes = messageBytes(draft);
    if (this.bufferedBytes + bytes > bufferBytesMax) {
      return Promise.reject(new VigError("VIG_BUFFER_FULL"));
    }
    this.bufferedBytes += bytes;
    return new Promise((resolve, reject) => {
      this.queue.push({
        topic: record.topic,
        message: record.partition === undefined ? draft : { ...draft, partition: record.partition },
        compression: record.compression ?? "none",
        bytes,
        deadlineMs: Date.now() + (this.options.deliveryTimeoutMs ?? DELIVERY_TIMEOUT_MS),
        done: false,
        resolve,
        reject,
      });
      this.armExpiry();
      // While a request is under way the next records gather by themselves.
      if (this.pumping !== null) return;
      if (this.bufferedBytes >= GATHERED_BYTES) this.flush();
      else this.lingering ??= setTimeout(() => this.flush(), lingerMs);
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.flush();
    while (this.pumping !== null) await this.pumping;
    if (this.expiry !== null) clearTimeout(this.expiry);
    if (this.cluster !== null) await closeCluster(this.cluster);
    this.cluster = null;
  }

  private flush(): void {
    if (this.lingering !== null) clearTimeout(this.lingering);
    this.lingering = null;
    if (this.pumping !== null || this.queue.length === 0) return;
    this.pumping = this.pump().finally(() => {
      this.pumping = null;
      if (this.queue.length > 0) this.flush();
    });
  }

  private async pump(): Promise<void> {
    while (this.queue.length > 0) {
      try {
        const sender = await this.ready();
        const round = this.takeRound();
        if (round.length > 0) await this.sendRound(sender, round);
      } catch (error) {
        await this.afterFailure(error);
      }
    }
  }

  /** A connected sender that knows the topics in the queue; a new producer id after a failure. */
  private async ready(): Promise<RecordSender> {
    if (this.cluster === null) this.cluster = await openCluster(this.client, []);
    await this.loadQueuedTopics(this.cluster);
    if (this.sender !== null && !this.sender.broken) return this.sender;
    await this.cluster.refreshMetadata();
    const broker = await this.cluster.findControllerBroker();
    const ids = await broker.initProducerId({ transactionTimeout: ID_TIMEOUT_MS });
    this.sender = new RecordSender(this.cluster, {
      producerId: Number(ids.producerId),
      producerEpoch: ids.producerEpoch,
      transactionalId: null,
    });
    return this.sender;
  }

  /** A topic that does not exist fails its own records, no others. */
  private async loadQueuedTopics(cluster: Cluster): Promise<void> {
    for (const topic of new Set(this.queue.map((waiting) => waiting.topic))) {
      if (isKnown(cluster, topic)) continue;
      try {
        await loadTopics(cluster, [topic]);
      } catch (error) {
        const ours = asVigError(error);
        if (ours.code !== "VIG_TOPIC_MISSING") throw error;
        const left = this.queue.filter((waiting) => waiting.topic !== topic);
        this.settle(
          this.queue.filter((waiting) => waiting.topic === topic),
          ours,
        );
        this.queue = left;
      }
    }
  }

  /** As many of the first records as make one batch a partition. What does not fit waits for the next round, in order. */
  private takeRound(): Waiting[] {
    const cluster = this.cluster;
    const perPartition = new Map<string, number>();
    const round: Waiting[] = [];
    const left: Waiting[] = [];
    let total = 0;
    for (const waiting of this.queue) {
      // It came after the topics were loaded: the next round loads its own.
      if (cluster === null || !isKnown(cluster, waiting.topic)) {
        left.push(waiting);
        continue;
      }
      const partition = choosePartition(cluster, waiting);
      const key = `${waiting.topic}/${partition}`;
      const bytes = perPartition.get(key) ?? 0;
      const full = bytes > 0 && bytes + waiting.bytes > BATCH_BYTES_MAX;
      if (full || total > ROUND_BYTES_MAX) {
        perPartition.set(key, Number.POSITIVE_INFINITY);
        left.push(waiting);
        continue;
      }
      perPartition.set(key, bytes + waiting.bytes);
      total += waiting.bytes;
      waiting.message.partition = partition;
      round.push(waiting);
    }
    this.queue = left;
    return round;
  }

  private async sendRound(sender: RecordSender, round: readonly Waiting[]): Promise<void> {
    const groups = new Map<string, Waiting[]>();
    for (const waiting of round) {
      const key = `${waiting.topic}/${waiting.message.partition}`;
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [waiting]);
      else group.push(waiting);
    }
    const oldest = round.reduce((ms, { deadlineMs }) => Math.min(ms, deadlineMs), Infinity);
    this.inFlight = round;
    try {
      const batches = [...groups.values()].map(toBatch);
      const written = await sender.send(batches, Math.max(1, oldest - Date.now()));
      for (const batch of written) {
        this.acknowledge(groups.get(`${batch.topic}/${batch.partition}`) ?? [], batch);
      }
      this.failures = 0;
      this.tell(true);
    } catch (error) {
      this.settle(round, asVigError(error));
      throw error;
    } finally {
      this.inFlight = [];
    }
  }

  private acknowledge(
    group: readonly Waiting[],
    { partition, baseOffset, appendedAtMs }: Written,
  ): void {
    group.forEach((waiting, i) => {
      if (!this.finish(waiting)) return;
      const offset = baseOffset < 0 ? -1 : baseOffset + i;
      waiting.resolve({ partition, offset, appendedAtMs });
    });
  }

  private async afterFailure(error: unknown): Promise<void> {
    const ours = asVigError(error);
    this.failures += 1;
    this.sender = null;
    if (ours.retry) this.tell(false, ours.message);
    this.client.log.warn({ why: ours.message }, "kafka.produce.failed");
    const cluster = this.cluster;
    this.cluster = null;
    if (cluster !== null) await closeCluster(cluster);
    await pause(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.failures, 10)));
  }

  /** One timer, for the record that waits longest; it also answers for a request that hangs. */
  private armExpiry(): void {
    const first = this.inFlight.find(({ done }) => !done) ?? this.queue[0];
    if (this.expiry !== null || first === undefined) return;
    this.expiry = setTimeout(
      () => {
        this.expiry = null;
        this.expire();
        this.armExpiry();
      },
      Math.max(1, first.deadlineMs - Date.now()),
    );
  }

  private expire(): void {
    const now = Date.now();
    const late = [...this.inFlight, ...this.queue].filter(
      ({ done, deadlineMs }) => !done && deadlineMs <= now,
    );
    if (late.length === 0) return;
    const why = "no acknowledgement in time";
    this.queue = this.queue.filter(({ deadlineMs }) => deadlineMs > now);
    this.settle(late, new VigError("VIG_BROKER_AWAY", { why }));
    this.tell(false, why);
  }

  private settle(waiting: readonly Waiting[], error: VigError): void {
    for (const each of waiting) {
      if (this.finish(each)) each.reject(error);
    }
  }

  /** Whether this is the first answer. */
  private finish(waiting: Waiting): boolean {
    if (waiting.done) return false;
    waiting.done = true;
    this.bufferedBytes -= waiting.bytes;
    return true;
  }

  private tell(up: boolean, why?: string): void {
    if (up === this.healthy) return;
    this.healthy = up;
    this.options.onBroker?.(up, why);
  }
}

function isKnown(cluster: Cluster, topic: string): boolean {
  try {
    return cluster.findTopicPartitionMetadata(topic).length > 0;
  } catch {
    return false;
  }
}

function choosePartition(cluster: Cluster, { topic, message }: Waiting): number {
  const count = cluster.findTopicPartitionMetadata(topic).length;
  if (message.partition >= 0) return message.partition % count;
  if (message.key === null) return Math.floor(Math.random() * count);
  return partitionOf(message.key, count);
}

function toBatch(group: readonly Waiting[]): PartitionBatch {
  const first = group[0] as Waiting;
  return {
    topic: first.topic,
    partition: first.message.partition,
    compression: first.compression,
    messages: group.map(({ message }) => message),
  };
}

const closedError = (): VigError =>
  new VigError("VIG_BROKER_AWAY", { why: "the producer is closed" });

/** A broker that is away at the start is no error: the producer is then unhealthy until one answers. */
export async function openBatchingProducer(
  client: KafkaClient,
  options: BatchingProducerOptions = {},
): Promise<BatchingProducer> {
  const producer = new Producer(client, options);
  await producer.open();
  return producer;
}
