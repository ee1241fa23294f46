import { assert } from "@vigie/core/assert";
import type { VigCode } from "@vigie/core/catalogue";
import { partitionOf } from "@vigie/core/keys";
import type { Decoder, Encoder } from "./codec.ts";
import { type DriverDeadLetter, letterOf, textHeaders } from "./driver-letters.ts";
import type { Tally } from "./observer.ts";
import type { AnyProcessor, Input, Processor } from "./processor.ts";
import { openState } from "./state/envelope.ts";
import { MemoryStore } from "./state/memory-store.ts";
import { aggregateKey, isReservedKey } from "./state/store.ts";
import { type OutRecord, REDIRECTED_HEADER } from "./task/record.ts";
import { TableEntries } from "./task/table-entries.ts";
import { addTally, emptyTally, isBalanced } from "./task/tally.ts";
import { Task } from "./task/task.ts";

export interface DriverOptions {
  /** The clock's time at the start; also the time of records that name none. */
  readonly startMs: number;
  /** Of every topic; default 1. */
  readonly partitions?: number;
  readonly processingError?: "stop" | "dlq";
  /** Records a commit; default 1,000. */
  readonly commitRecordsMax?: number;
}

export interface PipeOptions {
  /** Record time; default the clock's. */
  readonly timestampMs?: number;
  /** Default the key's own partition; another one makes a misplaced record. */
  readonly partition?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface PipedRecord<V> extends PipeOptions {
  readonly topic: string;
  readonly key: string;
  readonly value: V;
}

export interface PipedBytes extends PipeOptions {
  readonly topic: string;
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
}

export interface DriverOutput<T = unknown> {
  readonly key: string;
  /** The value as it was emitted, after its encoder has taken it; null is a tombstone. */
  readonly value: T;
  readonly partition: number;
}

export interface Driver<S, V, O extends string> {
  /** Feeds one record and takes it through to its commit. `value` is the decoded value, null a tombstone; it passes `admit`. */
  pipe(topic: string, key: string, value: V, options?: PipeOptions): void;
  /** Feeds all of them first, so that the task puts them in order by their times. */
  pipeAll(records: readonly PipedRecord<V>[]): void;
  /** Feeds bytes as a producer would have written them. */
  pipeBytes(
    topic: string,
    key: string | Buffer | null,
    value: Buffer | null,
    options?: PipeOptions,
  ): void;
  /** Feeds bytes of several records first, so that the task puts them in order by their times. */
  pipeAllBytes(records: readonly PipedBytes[]): void;
  /** Moves the clock and wakes every state that falls due on the way, each at its time. */
  advanceTo(ms: number): void;
  /** What was written to an output since the last call. */
  read<T = unknown>(output: O): DriverOutput<T>[];
  /** Writes an entry, null removes it, and wakes the states that it concerns. */
  setGlobal(table: string, key: string, value: unknown): void;
  /** A key's state as the store has it, decoded from its bytes. */
  state(key: string): S | null;
  /** An aggregate of a partition as the store has it. */
  aggregate<A>(key: string, partition?: number): A | null;
  /** All of the changelog of states since the start, in order; state null is a tombstone. */
  changelog(): { key: string; state: S | null }[];
  tally(): Tally;
  /** Dead letters since the start. */
  deadLetters(): DriverDeadLetter[];
  /** Throws the stores away and rebuilds them from the changelog, as a member does that has no local state. */
  restore(): void;
}

/** A processor in memory: no broker, no clock, every state through its real bytes at every commit. */
export function createDriver<S, V, O extends string>(
  processor: Processor<S, V, O>,
  options: DriverOptions,
): Driver<S, V, O> {
  return new MemoryDriver<S, V, O>(processor as AnyProcessor, options);
}

interface Lane {
  readonly partition: number;
  readonly store: MemoryStore;
  readonly task: Task;
}

/** A wake that never moves on would keep the clock from advancing. */
const WAKES_PER_ADVANCE_MAX = 1_000_000;
const WAKES_PER_COMMIT_MAX = 500;

class MemoryDriver<S, V, O extends string> implements Driver<S, V, O> {
  private readonly processor: AnyProcessor;
  private readonly options: DriverOptions;
  private readonly partitions: number;
  private readonly piped = new WeakMap<Uint8Array, V>();
  private readonly written = new WeakMap<Buffer, unknown>();
  private readonly globals: ReadonlyMap<string, TableEntries>;
  private globalChanges = 0;
  private readonly offsets = new Map<string, number>();
  private readonly outputs = new Map<string, DriverOutput[]>();
  private readonly letters: DriverDeadLetter[] = [];
  private readonly log: { key: string; envelope: Buffer | null; partition: number }[] = [];
  private readonly sum = emptyTally();
  private lanes: Lane[];
  private nowMs: number;

  constructor(processor: AnyProcessor, options: DriverOptions) {
    this.processor = this.watched(processor);
    this.options = options;
    this.partitions = options.partitions ?? 1;
    this.globals = new Map(
      Object.entries(processor.globals).map(([name, table]) => [name, new TableEntries(table)]),
    );
    this.nowMs = options.startMs;
    this.lanes = this.openLanes();
  }

  pipe(topic: string, key: string, value: V, options: PipeOptions = {}): void {
    this.pipeBytes(topic, key, this.tokenOf(value), options);
  }

  pipeAll(records: readonly PipedRecord<V>[]): void {
    for (const { topic, key, value, ...options } of records) {
      this.feed(topic, Buffer.from(key), this.tokenOf(value), options);
    }
    this.settle();
  }

  pipeBytes(
    topic: string,
    key: string | Buffer | null,
    value: Buffer | null,
    options: PipeOptions = {},
  ): void {
    this.pipeAllBytes([{ topic, key, value, ...options }]);
  }

  pipeAllBytes(records: readonly PipedBytes[]): void {
    for (const { topic, key, value, ...options } of records) {
      this.feed(topic, typeof key === "string" ? Buffer.from(key) : key, value, options);
    }
    this.settle();
  }

  advanceTo(ms: number): void {
    assert(ms >= this.nowMs, "time goes forward");
    for (let wakes = 0; ; wakes++) {
      assert(wakes < WAKES_PER_ADVANCE_MAX, "woken states come to rest");
      const lane = this.nextToWake(ms);
      if (lane === null) break;
      this.nowMs = Math.max(this.nowMs, lane.store.nextWakeMs() ?? ms);
      lane.task.wake(lane.store.due(this.nowMs, WAKES_PER_COMMIT_MAX), this.nowMs);
      this.commit(lane);
      this.settle();
    }
    this.nowMs = ms;
  }

  read<T>(output: O): DriverOutput<T>[] {
    const { topic } = this.processor.outputs[output] ?? {};
    assert(topic !== undefined, "an output is one that the processor names");
    const records = (this.outputs.get(topic) ?? []) as DriverOutput<T>[];
    this.outputs.set(topic, []);
    return records;
  }

  setGlobal(table: string, key: string, value: unknown): void {
    const entries = this.globals.get(table);
    assert(entries !== undefined, "a global table is one that the processor names");
    this.globalChanges += 1;
    if (value === null) entries.delete(key, this.globalChanges);
    else entries.set(key, value, this.globalChanges);
    for (const lane of this.lanes) {
      while (lane.task.sweepPending) {
        lane.task.sweep(this.nowMs, WAKES_PER_COMMIT_MAX);
        this.commit(lane);
      }
    }
    this.settle();
  }

  state(key: string): S | null {
    const sealed = this.laneOf(partitionOf(key, this.partitions)).store.get(key);
    return sealed === undefined ? null : this.decode(sealed);
  }

  aggregate<A>(key: string, partition = 0): A | null {
    const sealed = this.laneOf(partition).store.get(aggregateKey(key));
    const codec = this.processor.aggregate;
    return sealed === undefined || codec === undefined ? null : (openState(codec, sealed) as A);
  }

  changelog(): { key: string; state: S | null }[] {
    const states = this.log.filter(({ key }) => !isReservedKey(key));
    return states.map(({ key, envelope }) => ({
      key,
      state: envelope === null ? null : this.decode(envelope),
    }));
  }

  tally(): Tally {
    assert(isBalanced(this.sum), "every consumed record has one fate");
    return { ...this.sum, dropped: { ...this.sum.dropped }, dlq: { ...this.sum.dlq } };
  }

  deadLetters(): DriverDeadLetter[] {
    return [...this.letters];
  }

  restore(): void {
    this.lanes = this.openLanes();
    for (const { key, envelope, partition } of this.log) {
      this.laneOf(partition).store.writeNow(new Map([[key, envelope]]), this.checkpoint());
    }
  }

  /** The processor with its codecs watched, so that values can be piped in and read back as they are. */
  private watched(processor: AnyProcessor): AnyProcessor {
    const inputs = processor.inputs.map((input: Input<unknown>) => ({
      ...input,
      decoder: this.decoderFor(input.decoder),
      admit: input.admit.bind(input),
    }));
    const outputs = Object.fromEntries(
      Object.entries(processor.outputs).map(([name, { topic, encoder }]) => [
        name,
        { topic, encoder: this.encoderFor(encoder) },
      ]),
    );
    return Object.assign(Object.create(processor), { inputs, outputs }) as AnyProcessor;
  }

  private decoderFor(real: Decoder<unknown>): Decoder<unknown> {
    return {
      decode: (bytes) => {
        const value = this.piped.get(bytes);
        return value !== undefined ? { kind: "ok", value } : real.decode(bytes);
      },
    };
  }

  private encoderFor(real: Encoder<never>): Encoder<never> {
    return {
      encode: (value) => {
        const bytes = Buffer.from(real.encode(value));
        this.written.set(bytes, value);
        return bytes;
      },
    };
  }

  private tokenOf(value: V): Buffer | null {
    if (value === null) return null;
    const token = Buffer.alloc(1);
    this.piped.set(token, value);
    return token;
  }

  private openLanes(): Lane[] {
    return Array.from({ length: this.partitions }, (_, partition) => {
      const store = new MemoryStore();
      const task = new Task(this.processor, store, {
        partition,
        partitionsOf: () => this.partitions,
        absent: new Set(),
        lookup: (table, key) => this.globals.get(table)?.values.get(key),
        hasMark: (table, mark) => this.globals.get(table)?.hasMark(mark) ?? false,
        changeAfter: (table, offset) => this.globals.get(table)?.changeAfter(offset) ?? null,
        maxTaskIdleMs: 0,
        cacheEntriesMax: 0,
        commitRecordsMax: this.options.commitRecordsMax ?? 1_000,
        processingError: this.options.processingError ?? "stop",
      });
      for (const queue of task.queues) queue.push([], this.nextOffset(queue.topic, partition), 0);
      return { partition, store, task };
    });
  }

  private feed(topic: string, key: Buffer | null, value: Buffer | null, options: PipeOptions) {
    const partition = options.partition ?? (key === null ? 0 : partitionOf(key, this.partitions));
    const offset = this.nextOffset(topic, partition);
    this.offsets.set(`${topic}-${partition}`, offset + 1);
    const headers = Object.entries(options.headers ?? {}).map(([name, text]) => ({
      name,
      value: Buffer.from(text),
    }));
    const timestampMs = options.timestampMs ?? this.nowMs;
    const size = (key?.length ?? 0) + (value?.length ?? 0);
    const record = { offset, timestampMs, key, value, headers, size };
    this.laneOf(partition)
      .task.queue(topic)
      .push([record], offset + 1, offset + 1);
  }

  private settle(): void {
    for (let again = true; again; ) {
      again = false;
      for (const lane of this.lanes) {
        const result = lane.task.run(() => this.nowMs, Number.POSITIVE_INFINITY);
        assert(result.kind !== "later", "a driver's codecs know their schemas");
        if (!lane.task.hasWork) continue;
        this.commit(lane);
        again = true;
      }
    }
  }

  private commit(lane: Lane): void {
    const plan = lane.task.plan();
    lane.store.writeNow(plan.changelog, this.checkpoint());
    lane.task.landed();
    for (const [key, envelope] of plan.changelog) {
      this.log.push({ key, envelope, partition: lane.partition });
    }
    for (const record of plan.outputs) this.deliver(record);
    addTally(this.sum, plan.tally);
  }

  private deliver(record: OutRecord): void {
    const code = record.headers?.["vigie.error.code"];
    if (code !== undefined) {
      this.letters.push(letterOf(record, code as VigCode));
    } else if (record.headers?.[REDIRECTED_HEADER] !== undefined) {
      const headers = textHeaders(record);
      const { topic, partition } = record;
      this.feed(topic, record.key as Buffer, record.value, { partition, headers });
    } else {
      const records = this.outputs.get(record.topic) ?? [];
      const value = record.value === null ? null : this.written.get(record.value);
      records.push({ key: String(record.key), value, partition: record.partition });
      this.outputs.set(record.topic, records);
    }
  }

  private nextToWake(untilMs: number): Lane | null {
    let first: Lane | null = null;
    let firstMs = Number.POSITIVE_INFINITY;
    for (const lane of this.lanes) {
      const wakeAtMs = lane.store.nextWakeMs();
      if (wakeAtMs === null || wakeAtMs > untilMs || wakeAtMs >= firstMs) continue;
      first = lane;
      firstMs = wakeAtMs;
    }
    return first;
  }

  private checkpoint() {
    const changelogOffset = this.log.length;
    return { clusterId: "driver", changelogOffset, inputOffsets: {}, writtenAtMs: this.nowMs };
  }

  private nextOffset(topic: string, partition: number): number {
    return this.offsets.get(`${topic}-${partition}`) ?? 0;
  }

  private laneOf(partition: number): Lane {
    const lane = this.lanes[partition];
    assert(lane !== undefined, "a partition is one of those that the driver has");
    return lane;
  }

  private decode(sealed: Uint8Array): S {
    return openState(this.processor.state, sealed) as S;
  }
}
