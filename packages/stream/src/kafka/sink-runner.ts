import type { VigCode } from "@vigie/core/catalogue";
import { describeCode, type ErrorDetails, messageOf, VigError } from "@vigie/core/errors";
import { fetchCommitted } from "./admin.ts";
import { closeCluster } from "./client.ts";
import { type AssignmentChange, type GroupMember, joinGroup } from "./group-consumer.ts";
import type { Cluster } from "./internals.ts";
import type { BatchingProducer } from "./producer.ts";
import type {
  RunningSink,
  Sink,
  SinkOptions,
  SinkRecord,
  SinkRewind,
  StoredPosition,
  UnusableRecord,
} from "./sink.ts";
import { SinkBuffer } from "./sink-buffer.ts";
import type { FetchedChunk, TopicPartition } from "./types.ts";

const BATCH_RECORDS_MAX = 1_000;
const BATCH_MS = 10;
const BUFFER_BYTES_MAX = 16 * 1_024 * 1_024;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 5_000;
const DRAIN_TIMEOUT_MS = 5_000;
const MESSAGE_CHARACTERS_MAX = 1_024;

/** The life of one sink: assignments, batches, pauses while the store is away. */
export class SinkRunner implements RunningSink {
  private readonly options: SinkOptions;
  private readonly sink: Sink;
  private readonly cluster: Cluster;
  private readonly producer: BatchingProducer;
  private readonly buffer: SinkBuffer;
  private readonly failure = Promise.withResolvers<VigError>();
  private consumer: GroupMember | null = null;
  private owned = new Set<number>();
  private preparing: readonly number[] = [];
  private wake: () => void = () => undefined;
  private loop: Promise<void> = Promise.resolve();
  private stopping = false;
  private halted = false;
  private writingUp = true;
  /** Dead letters of the batch under way. */
  private dead: Partial<Record<VigCode, number>> = {};

  constructor(options: SinkOptions, cluster: Cluster, producer: BatchingProducer) {
    this.options = options;
    this.cluster = cluster;
    this.producer = producer;
    this.buffer = new SinkBuffer(options.prefix);
    const context = {
      deadLetter: (records: readonly UnusableRecord[]) => this.deadLetter(records),
      partitionCount: (topic: string) => this.consumer?.partitionCount(options.prefix + topic) ?? 0,
    };
    this.sink = typeof options.sink === "function" ? options.sink(context) : options.sink;
  }

  get failed(): Promise<VigError> {
    return this.failure.promise;
  }

  async start(): Promise<void> {
    const { client, groupId, topics, prefix, observer, memberIdFile = null } = this.options;
    this.consumer = await joinGroup(client, {
      groupId,
      topics: topics.map((topic) => prefix + topic),
      memberIdFile,
      stored: () => [],
      bufferBytesMax: this.options.bufferBytesMax ?? BUFFER_BYTES_MAX,
      events: {
        assigned: (change) => this.reassign(change),
        chunk: (chunk) => this.take(chunk),
        bufferedBytes: (topic, partition) => this.buffer.bytesOf(topic, partition),
        broker: (up, why) =>
          observer.dependency({ name: "kafka", up, ...(why === undefined ? {} : { why }) }),
        failed: (error) => this.fail(error),
      },
    });
    observer.dependency({ name: "kafka", up: true });
    this.loop = this.run().catch((error: unknown) => this.fail(asFailure(error)));
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.consumer?.quiesce();
    this.wake();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS);
    });
    await Promise.race([this.loop, late]);
    clearTimeout(timer);
    this.halted = true;
    this.wake();
    await this.consumer?.stop();
    await this.producer.close();
    await closeCluster(this.cluster);
  }

  private reassign({ lost, added }: AssignmentChange): void {
    for (const partition of lost) {
      this.owned.delete(partition);
      this.buffer.drop(partition);
      this.options.observer.task({ partition, state: "stopped" });
    }
    if (lost.length > 0) this.sink.lost?.(this.inputsOf(lost));
    for (const partition of added) this.owned.add(partition);
    this.preparing = [...this.preparing, ...added].filter((each) => this.owned.has(each));
    this.wake();
  }

  private take(chunk: FetchedChunk): void {
    const { topic, partition } = chunk;
    this.buffer.push(chunk);
    this.options.observer.lag({
      topic: topic.slice(this.options.prefix.length),
      partition,
      records: Math.max(0, chunk.lastStableOffset - this.buffer.writtenOffset(topic, partition)),
    });
    if (this.buffer.isDirty) this.wake();
  }

  /** The only place that calls the sink: batches and assignments never overlap. */
  private async run(): Promise<void> {
    while (!this.halted) {
      if (this.preparing.length > 0 && !this.stopping) await this.prepare();
      const { batchRecordsMax = BATCH_RECORDS_MAX, batchMs = BATCH_MS } = this.options;
      if (!this.buffer.isDirty) {
        if (this.stopping) return;
        await this.sleep(null);
        continue;
      }
      if (this.buffer.recordCount < batchRecordsMax && !this.stopping) await this.gather(batchMs);
      if (this.preparing.length === 0) await this.writeOne(batchRecordsMax);
    }
  }

  private async prepare(): Promise<void> {
    const partitions = this.preparing;
    const inputs = this.inputsOf(partitions);
    const stored = await this.insist("assigned", () => this.sink.assigned(inputs));
    if (stored === null) return;
    this.preparing = this.preparing.filter((partition) => !partitions.includes(partition));
    await this.beginAt(inputs.map((input) => find(stored, input)));
    for (const partition of partitions) {
      if (this.owned.has(partition)) this.options.observer.task({ partition, state: "running" });
    }
  }

  /** Starts or moves the reading of inputs; without a stored position the group's counts, else the beginning. */
  private async beginAt(positions: readonly StoredPosition[]): Promise<void> {
    const { groupId, prefix } = this.options;
    const physical = positions.map(({ topic, partition, offset }) => ({
      topic: prefix + topic,
      partition,
      offset,
    }));
    const unknown = physical.filter(({ offset }) => offset === null);
    const committed = await this.insist("committed", () =>
      fetchCommitted(this.cluster, groupId, unknown),
    );
    if (committed === null) return;
    const begin = physical.map(({ topic, partition, offset }) => {
      const other = committed.find((each) => each.topic === topic && each.partition === partition);
      return { topic, partition, offset: offset ?? other?.offset ?? ("earliest" as const) };
    });
    const wanted = begin.filter(({ partition }) => this.owned.has(partition));
    const begun = await this.insist("begin", async () => this.consumer?.begin(wanted) ?? []);
    wanted.forEach(({ topic, partition }, i) => {
      const offset = begun?.[i];
      if (offset !== undefined) this.buffer.begin(topic, partition, offset);
    });
  }

  private async writeOne(recordsMax: number): Promise<void> {
    const batch = this.buffer.peek(recordsMax);
    const startedMs = Date.now();
    const said = await this.insist(
      "write",
      () => this.sink.write(batch.records, batch.next),
      () => !this.buffer.isCurrent(batch),
    );
    if (said === null) return;
    this.buffer.written(batch);
    this.consumer?.drained();
    this.report(batch.records.length, Date.now() - startedMs);
    if (said !== undefined) await this.rewind(said);
  }

  private async rewind({ rewind }: SinkRewind): Promise<void> {
    this.options.log.warn({ positions: rewind.length }, "sink.rewind");
    const inputs = rewind.map(({ topic, partition }) => ({
      topic: this.options.prefix + topic,
      partition,
    }));
    this.consumer?.end(inputs);
    for (const { topic, partition } of inputs) this.buffer.forget(topic, partition);
    await this.beginAt(rewind);
  }

  private report(consumed: number, commitMs: number): void {
    const { observer, service } = this.options;
    const dlq = this.dead;
    this.dead = {};
    const dead = Object.values(dlq).reduce((sum, count) => sum + count, 0);
    const tally = { consumed, ok: consumed - dead, redirected: 0, dropped: {}, dlq };
    observer.committed({
      processor: service,
      partition: -1,
      tally,
      processMs: 0,
      commitMs,
      emitted: {},
    });
  }

  private async deadLetter(records: readonly UnusableRecord[]): Promise<void> {
    const { prefix, service } = this.options;
    await Promise.all(
      records.map(({ record, code, details }) =>
        this.producer.publish({
          topic: `${prefix}${record.topic}.dlq`,
          partition: record.partition,
          key: record.keyBytes,
          value: record.value,
          headers: deadLetterHeaders(record, { code, details, service }),
          compression: "gzip",
        }),
      ),
    );
    for (const { code } of records) this.dead[code] = (this.dead[code] ?? 0) + 1;
  }

  /** Tries until it succeeds; null: the sink was stopped, or what it was for has gone. */
  private async insist<T>(
    what: string,
    work: () => Promise<T>,
    isStale: () => boolean = () => false,
  ): Promise<T | null> {
    for (let failures = 0; ; failures += 1) {
      this.dead = {};
      try {
        const result = await work();
        this.tellWriting(true);
        return result;
      } catch (error) {
        if (this.halted) return null;
        if (error instanceof VigError && FATAL.has(error.code)) throw error;
        const why = messageOf(error);
        this.options.log.warn({ what, why, failures }, "sink.retry");
        this.tellWriting(false, why);
        await this.sleep(Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10)));
        if (isStale()) {
          // Somebody else's matter from now on.
          this.tellWriting(true);
          return null;
        }
        if (this.halted || (this.stopping && what !== "write")) return null;
      }
    }
  }

  private tellWriting(up: boolean, why?: string): void {
    if (up === this.writingUp) return;
    this.writingUp = up;
    this.options.onWriting?.(up, why);
  }

  private inputsOf(partitions: readonly number[]): TopicPartition[] {
    const { topics, prefix } = this.options;
    const has = (topic: string, partition: number): boolean =>
      partition < (this.consumer?.partitionCount(prefix + topic) ?? 0);
    return partitions.flatMap((partition) =>
      topics.filter((topic) => has(topic, partition)).map((topic) => ({ topic, partition })),
    );
  }

  private async gather(ms: number): Promise<void> {
    const { batchRecordsMax = BATCH_RECORDS_MAX } = this.options;
    const untilMs = Date.now() + ms;
    while (!this.stopping && this.preparing.length === 0) {
      const leftMs = untilMs - Date.now();
      if (leftMs <= 0 || this.buffer.recordCount >= batchRecordsMax) return;
      await this.sleep(leftMs);
    }
  }

  /** Until woken, or for so many ms. */
  private sleep(ms: number | null): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(resolve, ms);
      this.wake = () => {
        if (timer !== null) clearTimeout(timer);
        resolve();
      };
    });
  }

  private fail(error: VigError): void {
    if (this.halted) return;
    this.halted = true;
    this.wake();
    this.options.log.error({ code: error.code, message: error.message }, "sink.failed");
    this.failure.resolve(error);
  }
}

/** Retrying heals none of these. */
const FATAL = new Set<VigCode>(["VIG_INVARIANT", "VIG_OFFSET_OUT_OF_RANGE", "VIG_AUDIT_CONFLICT"]);

const asFailure = (error: unknown): VigError =>
  error instanceof VigError
    ? error
    : new VigError(
        "VIG_INVARIANT",
        { what: `a sink runs on: ${messageOf(error)}` },
        { cause: error },
      );

function find(stored: readonly StoredPosition[], input: TopicPartition): StoredPosition {
  const same = (each: TopicPartition) =>
    each.topic === input.topic && each.partition === input.partition;
  return stored.find(same) ?? { ...input, offset: null };
}

/** Headers as they came, and what was wrong. The same as a processor's dead letter has. */
export function deadLetterHeaders(
  record: Pick<SinkRecord, "topic" | "partition" | "offset" | "headers">,
  about: { readonly code: VigCode; readonly details: ErrorDetails; readonly service: string },
): Record<string, Buffer | string> {
  const headers: Record<string, Buffer | string> = {};
  for (const { name, value } of record.headers) headers[name] = value ?? "";
  const message = describeCode(about.code, about.details).slice(0, MESSAGE_CHARACTERS_MAX);
  return {
    ...headers,
    "vigie.error.code": about.code,
    "vigie.error.message": message,
    "vigie.error.topic": record.topic,
    "vigie.error.partition": String(record.partition),
    "vigie.error.offset": String(record.offset),
    "vigie.error.service": about.service,
  };
}
