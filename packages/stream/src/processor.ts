import type { Outcome } from "@vigie/core/outcome";
import type { Decoder, Encoder, StateCodec } from "./codec.ts";

/** A decoded record as a processor sees it. */
export interface InputRecord<V> {
  /** Catalogue name, without the prefix of this installation. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Record timestamp: append time on input topics. */
  readonly timestampMs: number;
  readonly key: string;
  readonly value: V;
}

/** A topic that a processor reads. All inputs of one processor have the same partition count. */
export interface Input<V> {
  readonly topic: string;
  /** merged: taken in order of record time over all merged inputs. urgent: taken at once, before merged ones. */
  readonly order: "merged" | "urgent";
  /** A missing optional input counts as empty. */
  readonly optional?: boolean;
  readonly decoder: Decoder<V>;
  /** Of a compacted topic: what a null value stands for. Absent: a null value is a dead letter. */
  readonly tombstone?: V;
  /** Where a record of the right key in the wrong partition goes: back to its topic once, or dropped. */
  readonly misplaced: "republish" | "drop";
  /**
   * Judges a decoded record before it may touch a state: ranges, age, and that `key` names its user.
   * Pure. Duplicates are the processor's matter, since only the state knows them.
   */
  admit(record: InputRecord<V>): Outcome<V>;
}

export interface Output<V> {
  readonly topic: string;
  readonly encoder: Encoder<V>;
  /** The one input that leads to it: where that optional one is missing, this topic may be. */
  readonly from?: string;
}

/** A topic that only processors of one service write and read. */
export interface InternalTopic {
  readonly topic: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** A compacted topic, read whole before the start and followed after. */
export interface GlobalTable<V> {
  readonly topic: string;
  readonly optional?: boolean;
  readonly decoder: Decoder<V>;
  /** What an entry becomes when it is written again; default the newer value. */
  fold?(before: V | undefined, next: V): V;
  /**
   * What the keys begin with whose states an entry concerns: after every change each of them is woken, at least once,
   * as by its own alarm; in the background, and across restarts. Absent: a change wakes nobody. One partition only.
   */
  wakes?(key: string): string;
  /** A coarse trait by which many entries are told from a key that is not among them: see `hasMark`. */
  mark?(value: V): number;
}

/** One record to be published in the transaction that commits its cause. */
export interface Emit<O extends string> {
  readonly output: O;
  readonly key: string;
  readonly value: unknown;
  /** The key whose partition is taken, when it is not that of `key`. */
  readonly partitionKey?: string;
}

/**
 * What processing a record brings about.
 * state: the same reference as given means unchanged and costs no write; null forgets the key.
 */
export interface Effects<S, O extends string> {
  readonly state: S | null;
  readonly emit: readonly Emit<O>[];
  /** New values of aggregates, each key once; null forgets one. */
  readonly aggregates?: readonly AggregateChange[];
}

export interface AggregateChange {
  readonly key: string;
  readonly value: unknown;
}

export interface ProcessContext {
  /** Wall clock in production, a given time in tests and replays. */
  readonly nowMs: number;
  readonly partition: number;
  /** The value of a global table, or undefined. */
  lookup<V>(table: string, key: string): V | undefined;
  /** Whether an entry of a global table has this mark, for who would have to work for a key to look up. */
  hasMark(table: string, mark: number): boolean;
  /** An aggregate of this partition as the last effects left it; null: none. */
  aggregate<A>(key: string): A | null;
}

/**
 * A stateful processor: one state object a key, everything else is a value it returns. Its functions are
 * synchronous and do no I/O, so the same object runs in production, in the test driver and in replay.
 */
export interface Processor<S, V, O extends string> {
  /** Consumer group, transactional ids and the changelog derive from it: vigie.<name>. */
  readonly name: string;
  readonly inputs: readonly Input<V>[];
  readonly outputs: Readonly<Record<O, Output<never>>>;
  readonly globals: Readonly<Record<string, GlobalTable<unknown>>>;
  readonly state: StateCodec<S>;
  /**
   * Side state of a partition, under keys of its own: what belongs to no single key, as a sequence or a count. It is
   * stored, restored and committed with the keyed states. Absent: the processor has none.
   */
  readonly aggregate?: StateCodec<unknown>;
  /** Inputs, outputs and tables that the runtime may create, as it may its changelog. */
  readonly internals?: readonly InternalTopic[];
  /** state is null for a key that has none. */
  process(record: InputRecord<V>, state: S | null, context: ProcessContext): Outcome<Effects<S, O>>;
  /** When this state next wants to be woken, or null. Stored beside the state; fired once all input is consumed. */
  wakeAtMs?(state: S): number | null;
  /** Called at or after wakeAtMs, and after changes of globals that wake. */
  wake?(key: string, state: S, context: ProcessContext): Effects<S, O>;
}

/** A processor of any state and values, as the runtime holds it. */
// biome-ignore lint/suspicious/noExplicitAny: the runtime is indifferent to a processor's own types
export type AnyProcessor = Processor<any, any, string>;
