import { assert, assertNever } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import { partitionOf } from "@vigie/core/keys";
import type { Outcome } from "@vigie/core/outcome";
import type { Tally } from "../observer.ts";
import type { AnyProcessor, Effects, Input, InputRecord, ProcessContext } from "../processor.ts";
import { aggregateKey, type DueKey, type StateStore } from "../state/store.ts";
import { admitRecord, type Later, type Place } from "./admission.ts";
import type { CommitPlan } from "./commit-plan.ts";
import { deadLetterOf } from "./dead-letter.ts";
import { InputQueue } from "./input-queue.ts";
import { TimeMerge } from "./merge.ts";
import { type Entry, StateOverlay } from "./overlay.ts";
import {
  copyHeaders,
  type OutRecord,
  type RawRecord,
  REDIRECTED_HEADER,
  wasRedirected,
} from "./record.ts";
import { type ChangeAfter, Sweeps } from "./sweeps.ts";
import { countDeadLetter, countDrop, emptyTally, isBalanced } from "./tally.ts";

export interface TaskOptions {
  readonly partition: number;
  /** Of any topic of the processor, by catalogue name. */
  readonly partitionsOf: (topic: string) => number;
  /** Inputs that do not exist and count as empty, by catalogue name. */
  readonly absent: ReadonlySet<string>;
  readonly lookup: (table: string, key: string) => unknown;
  readonly hasMark: (table: string, mark: number) => boolean;
  readonly changeAfter: ChangeAfter;
  readonly maxTaskIdleMs: number;
  readonly cacheEntriesMax: number;
  /** A commit covers at most this many records. */
  readonly commitRecordsMax: number;
  /** What a record is worth that makes the processor throw: the task's end, or a dead letter. */
  readonly processingError: "stop" | "dlq";
}

/** Why `run` came back. slice: time is up; full: commit first; later: something has to be fetched first. */
export type RunResult =
  | { readonly kind: "empty" | "slice" | "full" }
  | { readonly kind: "wait"; readonly untilMs: number }
  | Later;

interface TaskInput {
  readonly input: Input<unknown>;
  readonly place: Place;
}

/** Output of one transaction is bounded, so that memory and the broker's request size are. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
/** Looking at the clock costs as much as a cheap record, so it is looked at once in so many. */
const RECORDS_PER_CLOCK_LOOK = 32;

/**
 * One partition of a processor: takes records of its inputs in order, keeps an overlay of states, gathers what a
 * transaction shall carry. Synchronous and without I/O: the runtime feeds it and carries its plans out.
 */
export class Task {
  readonly queues: readonly InputQueue[];
  private readonly processor: AnyProcessor;
  private readonly options: TaskOptions;
  private readonly merge: TimeMerge;
  private readonly overlay: StateOverlay<unknown>;
  private readonly aggregates: StateOverlay<unknown> | null;
  private readonly sweeps: Sweeps;
  private readonly inputs: ReadonlyMap<InputQueue, TaskInput>;
  private readonly context: { nowMs: number } & Omit<ProcessContext, "nowMs">;
  private readonly committed = new Map<string, number>();
  private outputs: OutRecord[] = [];
  private outputBytes = 0;
  private tally: Tally = emptyTally();
  private emitted: Record<string, number> = {};
  private woken = 0;

  constructor(processor: AnyProcessor, store: StateStore, options: TaskOptions) {
    this.processor = processor;
    this.options = options;
    this.queues = processor.inputs.map((input) => {
      const queue = new InputQueue(input.topic, input.order === "urgent");
      queue.absent = options.absent.has(input.topic);
      return queue;
    });
    this.inputs = new Map(this.queues.map((queue, at) => [queue, this.taskInput(at)]));
    this.merge = new TimeMerge(this.queues, options.maxTaskIdleMs);
    const wakeAtMs = (state: unknown): number | null => processor.wakeAtMs?.(state) ?? null;
    this.overlay = new StateOverlay(
      { codec: processor.state, prefix: "", wakeAtMs },
      store,
      options.cacheEntriesMax,
    );
    this.sweeps = new Sweeps(processor, store, options.changeAfter);
    this.aggregates = processor.aggregate === undefined ? null : aggregatesOf(processor, store);
    this.context = {
      nowMs: 0,
      aggregate: <A>(key: string) => this.aggregateEntry(key).state as A | null,
      partition: options.partition,
      lookup: options.lookup as ProcessContext["lookup"],
      hasMark: options.hasMark,
    };
  }

  queue(topic: string): InputQueue {
    const found = this.queues.find((queue) => queue.topic === topic);
    assert(found !== undefined, "a task is fed from its inputs only");
    return found;
  }

  /** Something was consumed or woken since the last plan. */
  get hasWork(): boolean {
    return this.tally.consumed > 0 || this.woken > 0;
  }

  /** Records consumed since the last plan. */
  get pending(): number {
    return this.tally.consumed;
  }

  /**
   * Takes records until none may be taken, the next commit is full, or `clock` reaches `sliceEndMs`.
   * Throws: VIG_PROCESSOR_BUG at the record that the processor could not bear; those before it can be committed.
   */
  run(clock: () => number, sliceEndMs: number): RunResult {
    let nowMs = clock();
    this.context.nowMs = nowMs;
    for (let count = 1; ; count++) {
      if (this.isFull()) return { kind: "full" };
      const next = this.merge.next(nowMs);
      if (next.kind !== "take") return next;
      const later = this.take(next.queue);
      if (later !== null) return later;
      if (count % RECORDS_PER_CLOCK_LOOK === 0) {
        nowMs = clock();
        this.context.nowMs = nowMs;
        if (nowMs >= sliceEndMs) return { kind: "slice" };
      }
    }
  }

  /** Wakes the states of these keys that are still due. Throws: VIG_PROCESSOR_BUG. */
  wake(due: readonly DueKey[], nowMs: number): void {
    this.context.nowMs = nowMs;
    for (const { key } of due) {
      const entry = this.overlay.entry(key);
      // A key that is being written is asked again once its new wake time is in the store.
      if (!entry.dirty && !entry.flying) this.wakeOne(entry, nowMs);
    }
  }

  /** A change of a global table has not reached all states that it concerns. */
  get sweepPending(): boolean {
    return this.sweeps.pending;
  }

  /** Wakes the next states that changes of globals concern, at most some `limit`. Throws: VIG_PROCESSOR_BUG. */
  sweep(nowMs: number, limit: number): void {
    this.context.nowMs = nowMs;
    const keys = this.sweeps.next(limit, (prefix) => this.overlay.unsettled(prefix));
    for (const key of keys) this.wakeOne(this.overlay.entry(key), nowMs);
    // How far it came is to be committed, even when there was nobody to wake.
    this.woken += 1;
  }

  private wakeOne(entry: Entry<unknown>, nowMs: number): void {
    const { processor } = this;
    const { key, state } = entry;
    assert(processor.wake !== undefined, "only a processor that can be woken asks for it");
    if (state === null) return;
    try {
      const effects = processor.wake(key, state, this.context);
      const again = effects.state === null ? null : (processor.wakeAtMs?.(effects.state) ?? null);
      assert(
        again === null || again > nowMs,
        "a woken state wants to be woken later or not at all",
      );
      this.apply(entry, effects);
    } catch (thrown) {
      throw this.bug(thrown, { topic: "wake", offset: -1 });
    }
    this.woken += 1;
  }

  /** What was gathered since the last plan, to be committed as a whole. `landed` ends it. */
  plan(): CommitPlan {
    assert(isBalanced(this.tally), "every consumed record has one fate");
    const changelog = this.overlay.seal();
    this.aggregates?.seal(changelog);
    this.sweeps.seal(changelog);
    const plan: CommitPlan = {
      outputs: this.outputs,
      changelog,
      offsets: this.movedOffsets(),
      tally: this.tally,
      emitted: this.emitted,
    };
    this.outputs = [];
    this.outputBytes = 0;
    this.tally = emptyTally();
    this.emitted = {};
    this.woken = 0;
    return plan;
  }

  /** The last plan is committed and in the store. */
  landed(): void {
    this.overlay.landed();
    this.aggregates?.landed();
    this.sweeps.landed();
  }

  private isFull(): boolean {
    return (
      this.tally.consumed >= this.options.commitRecordsMax || this.outputBytes >= OUTPUT_BYTES_MAX
    );
  }

  private take(queue: InputQueue): Later | null {
    const raw = queue.peek();
    let outcome: Outcome<null> | Later;
    try {
      outcome = this.handle(this.inputs.get(queue) as TaskInput, raw);
    } catch (thrown) {
      const bug = this.bug(thrown, { topic: queue.topic, offset: raw.offset });
      if (this.options.processingError === "stop") throw bug;
      outcome = { kind: "dlq", code: "VIG_PROCESSOR_BUG", details: bug.details };
    }
    if (outcome.kind === "later") return outcome;
    queue.take();
    this.settle(queue.topic, raw, outcome);
    return null;
  }

  private taskInput(at: number): TaskInput {
    const { absent, partition, partitionsOf } = this.options;
    const input = this.processor.inputs[at] as Input<unknown>;
    const partitions = absent.has(input.topic) ? 0 : partitionsOf(input.topic);
    return { input, place: { partition, partitions } };
  }

  private handle({ input, place }: TaskInput, raw: RawRecord): Outcome<null> | Later {
    const admitted = admitRecord(input, raw, place);
    if (admitted.kind !== "ok") return admitted;
    const record: InputRecord<unknown> = admitted.value;
    const entry = this.overlay.entry(record.key);
    const outcome = this.processor.process(record, entry.state, this.context);
    if (outcome.kind !== "ok") return outcome;
    this.apply(entry, outcome.value);
    return DONE;
  }

  /** All of the effects or, when an encoder throws, none of them. */
  private apply(entry: Entry<unknown>, effects: Effects<unknown, string>): void {
    if (effects.emit.length > 0) this.emit(effects);
    if (effects.state !== entry.state) this.overlay.put(entry, effects.state);
    if (effects.aggregates === undefined) return;
    for (const { key, value } of effects.aggregates) {
      this.aggregates?.put(this.aggregateEntry(key), value);
    }
  }

  private aggregateEntry(key: string): Entry<unknown> {
    assert(this.aggregates !== null, "a processor names the codec of its aggregates");
    return this.aggregates.entry(key);
  }

  private emit(effects: Effects<unknown, string>): void {
    const records = effects.emit.map((emit) => {
      const output = this.processor.outputs[emit.output];
      assert(output !== undefined, "a processor emits to outputs that it names");
      const value = emit.value === null ? null : output.encoder.encode(emit.value as never);
      const partitions = this.options.partitionsOf(output.topic);
      const partition = partitionOf(emit.partitionKey ?? emit.key, partitions);
      return {
        name: emit.output,
        record: { topic: output.topic, partition, key: emit.key, value },
      };
    });
    for (const { name, record } of records) {
      this.write(record);
      this.emitted[name] = (this.emitted[name] ?? 0) + 1;
    }
  }

  private settle(topic: string, raw: RawRecord, outcome: Outcome<null>): void {
    const { tally } = this;
    tally.consumed += 1;
    switch (outcome.kind) {
      case "ok":
        tally.ok += 1;
        return;
      case "drop":
        countDrop(tally, outcome.reason);
        return;
      case "dlq": {
        const { partition } = this.options;
        const origin = { topic, partition, service: this.processor.name };
        const letter = deadLetterOf(raw, origin, outcome.code, outcome.details);
        const lettersPartitions = this.options.partitionsOf(letter.topic);
        this.write({ ...letter, partition: partition % lettersPartitions });
        countDeadLetter(tally, outcome.code);
        return;
      }
      case "redirect":
        this.redirect(topic, raw);
        return;
      default:
        assertNever(outcome);
    }
  }

  private redirect(topic: string, raw: RawRecord): void {
    if (wasRedirected(raw.headers)) {
      countDrop(this.tally, "misrouted_twice");
      return;
    }
    const { key, value } = raw;
    assert(key !== null, "a misplaced record was found right in itself");
    const partition = partitionOf(key, this.options.partitionsOf(topic));
    const headers = { ...copyHeaders(raw.headers), [REDIRECTED_HEADER]: "1" };
    this.write({ topic, partition, key, value, headers });
    this.tally.redirected += 1;
  }

  private write(record: OutRecord): void {
    this.outputs.push(record);
    this.outputBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
  }

  /** At least one, moved or not: what a transaction stores with its offsets tells later whether it took effect. */
  private movedOffsets(): CommitPlan["offsets"] {
    const moved: { topic: string; offset: number }[] = [];
    const all: { topic: string; offset: number }[] = [];
    for (const { topic, nextOffset } of this.queues) {
      if (nextOffset < 0) continue;
      all.push({ topic, offset: nextOffset });
      if (this.committed.get(topic) === nextOffset) continue;
      this.committed.set(topic, nextOffset);
      moved.push({ topic, offset: nextOffset });
    }
    return moved.length > 0 ? moved : all.slice(0, 1);
  }

  private bug(thrown: unknown, at: { topic: string; offset: number }): VigError {
    const details = {
      processor: this.processor.name,
      topic: at.topic,
      partition: this.options.partition,
      offset: at.offset,
      why: messageOf(thrown),
    };
    return new VigError("VIG_PROCESSOR_BUG", details, { cause: thrown });
  }
}

/** Aggregates are a few a partition and tenant, and most records want one. */
const AGGREGATES_CACHED_MAX = 2_000;

function aggregatesOf({ aggregate }: AnyProcessor, store: StateStore): StateOverlay<unknown> {
  assert(aggregate !== undefined, "only a processor with aggregates keeps them");
  const kind = { codec: aggregate, prefix: aggregateKey(""), wakeAtMs: () => null };
  return new StateOverlay(kind, store, AGGREGATES_CACHED_MAX);
}

const DONE: Outcome<null> = { kind: "ok", value: null };
