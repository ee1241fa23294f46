import { assert } from "@vigie/core/assert";
import type { VigCode } from "@vigie/core/catalogue";
import { messageOf, VigError } from "@vigie/core/errors";
import type { TransactionalProducer } from "../kafka/transactional-producer.ts";
import type { FetchedChunk } from "../kafka/types.ts";
import type { StateStore } from "../state/store.ts";
import type { RunResult, Task } from "../task/task.ts";
import { CommitPace } from "./commit-pace.ts";
import { Committer } from "./committer.ts";
import { Signal, turn } from "./signal.ts";
import type { TaskHost } from "./task-host.ts";
import { openTask } from "./task-opening.ts";
import { WakeGate } from "./wake-gate.ts";

/** A task keeps the event loop for so long at a time. */
const SLICE_MS = 5;
/** Waits after a failure; source: Kafka's reconnect.backoff.max.ms of 1 s, doubled from its first 50 ms. */
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 1_000;
/** A transaction that the broker refuses every time will not pass by being tried more often. */
const REFUSED_MAX = 5;
/** A schema that is not here within this is reported: the registry is away. */
const LATER_REPORT_MS = 1_000;

/** Errors after which the task is opened anew at its last commit; any other one ends it. */
const HEALING: ReadonlySet<VigCode> = new Set<VigCode>([
  "VIG_BROKER_AWAY",
  "VIG_REGISTRY_AWAY",
  "VIG_PRODUCER_FENCED",
  "VIG_TRANSACTION_UNKNOWN",
  "VIG_TRANSACTION_ABORTED",
  "VIG_STORE_LOST",
  "VIG_STORE_WRITE_FAILED",
]);

/** An open task with all that carries it. */
interface Open {
  readonly task: Task;
  readonly committer: Committer;
  readonly pace: CommitPace;
  readonly wakes: WakeGate;
}

/** The life of one partition in a member: open at the last commit, process and commit until told to end. */
export class TaskRunner {
  readonly partition: number;
  private readonly host: TaskHost;
  private readonly signal = new Signal();
  private readonly ended: Promise<void>;
  private open: Open | null = null;
  /** drain: commit what was processed, then end; abandon: somebody else owns the partition. */
  private ending: "drain" | "abandon" | null = null;
  private processMs = 0;
  /** The producer of an opening that is under way. */
  private opening: TransactionalProducer | null = null;
  /** What a record waits for that cannot be decoded yet. */
  private awaited: Promise<void> | null = null;
  private misfit: VigError | null = null;
  private hasFailed = false;

  constructor(host: TaskHost, partition: number) {
    this.host = host;
    this.partition = partition;
    const stopListening = host.globals.onChange(() => this.signal.raise());
    this.ended = this.live().finally(stopListening);
  }

  /** Takes fetched records. A gap, or a reset nobody asked for, stops the task. */
  feed(topic: string, chunk: FetchedChunk): void {
    if (this.open === null) return;
    const queue = this.open.task.queue(topic);
    if (chunk.fetchOffset !== queue.position) {
      const what = `${topic}[${this.partition}] goes on at ${queue.position}, not ${chunk.fetchOffset}`;
      this.misfit = new VigError("VIG_INVARIANT", { what });
      this.signal.raise();
      return;
    }
    queue.push(chunk.records, chunk.nextOffset, chunk.lastStableOffset);
    this.signal.raise();
  }

  /** Bytes of an input that wait to be taken. */
  bufferedBytes(topic: string): number {
    return this.open === null ? 0 : this.open.task.queue(topic).bytes;
  }

  /** Records between what is committed and the end, by input. */
  lag(): { topic: string; records: number }[] {
    if (this.open === null) return [];
    return this.open.task.queues
      .filter(({ absent, position }) => !absent && position >= 0)
      .map(({ topic, end, nextOffset }) => ({ topic, records: Math.max(0, end - nextOffset) }));
  }

  /** Commits what was processed and closes the store. */
  stop(): Promise<void> {
    this.ending ??= "drain";
    return this.end();
  }

  /** Lets go without a commit: the partition has, or will have, another owner. */
  abandon(): Promise<void> {
    this.ending = "abandon";
    return this.end();
  }

  private end(): Promise<void> {
    this.signal.raise();
    // Nothing was processed yet, so nothing is lost by not waiting for the broker.
    void this.opening?.close();
    return this.ended;
  }

  private async live(): Promise<void> {
    const { host, partition } = this;
    let store: StateStore | null = null;
    for (let failures = 0; this.ending === null; ) {
      try {
        host.observer.task({ partition, state: "restoring" });
        store ??= await host.openStore(partition);
        // Told to end meanwhile: its next owner is not to be fenced.
        if (this.ending !== null) break;
        await this.openAt(store);
        await this.work();
      } catch (thrown) {
        const error = asVigError(thrown, host.processor.name);
        // Told to end while it was opened, which cuts the opening short: nothing was begun, so nothing is to be told.
        if (this.ending !== null && this.open === null && HEALING.has(error.code)) break;
        failures = this.open?.committer.proven === true ? 1 : failures + 1;
        if (!heals(error, failures)) {
          await this.fail(error);
          break;
        }
        await this.backOff(error, failures);
        // Another opener holds the store's place now: open it anew to take it back.
        if (error.code === "VIG_STORE_LOST" || error.code === "VIG_STORE_WRITE_FAILED") {
          await this.closeStore(store);
          store = null;
        }
      }
    }
    await this.close();
    await this.closeStore(store);
    if (!this.hasFailed) host.observer.task({ partition, state: "stopped" });
  }

  /** A store that cannot be closed in order is not trusted after a crash of the machine; nothing else is lost. */
  private async closeStore(store: StateStore | null): Promise<void> {
    try {
      await store?.close();
    } catch (thrown) {
      const { partition } = this;
      this.host.log.error({ partition, error: messageOf(thrown) }, "store.not_closed");
    }
  }

  private async openAt(store: StateStore): Promise<void> {
    const { host, partition } = this;
    const opened = await openTask(host, partition, store, (producer) => {
      this.opening = producer;
    }).finally(() => {
      this.opening = null;
    });
    this.processMs = 0;
    const pace = new CommitPace(host.limits.commitIntervalMs, host.limits.commitPauseMs);
    const settled = (): void => {
      pace.ended(host.clock());
      this.signal.raise();
    };
    this.open = {
      task: opened.task,
      committer: new Committer(host, partition, store, opened, settled),
      pace,
      wakes: new WakeGate(host, partition, store, () => this.signal.raise()),
    };
    host.observer.task({ partition, state: "running" });
    host.observer.dependency({ name: "kafka", up: true });
  }

  private async work(): Promise<void> {
    const open = this.open;
    assert(open !== null, "an open task works");
    const { clock } = this.host;
    while (this.ending === null) {
      open.committer.throwIfFailed();
      if (this.misfit !== null) throw this.misfit;
      const startedMs = clock();
      const result = this.run(open, startedMs);
      if (result instanceof VigError) {
        await this.drain(open);
        throw result;
      }
      this.host.group().drained();
      const committing = this.commitIfDue(open, result);
      if (result.kind === "slice" || (result.kind === "full" && committing)) await turn();
      else await this.pauseUntilNews(open, result);
    }
    if (this.ending === "drain") await this.drain(open);
  }

  /** One slice of processing; the error of a record that cannot be processed, so that those before it count. */
  private run({ committer, task, wakes }: Open, startedMs: number): RunResult | VigError {
    const { clock } = this.host;
    // Finer than the clock, which tests may set.
    const began = performance.now();
    try {
      if (!committer.busy) wakes.fire(task, startedMs);
      return task.run(clock, startedMs + SLICE_MS);
    } catch (thrown) {
      return asVigError(thrown, this.host.processor.name);
    } finally {
      this.processMs += performance.now() - began;
    }
  }

  private commitIfDue({ committer, pace, task, wakes }: Open, result: RunResult): boolean {
    if (committer.busy || !task.hasWork) return false;
    const nowMs = this.host.clock();
    const inAHurry = result.kind === "full";
    if (!inAHurry && nowMs < pace.notBeforeMs(nowMs)) return false;
    pace.started(nowMs, task.pending);
    wakes.noteWrite();
    committer.start(task, this.processMs);
    this.processMs = 0;
    return true;
  }

  private async pauseUntilNews(open: Open, result: RunResult): Promise<void> {
    const nowMs = this.host.clock();
    let untilMs = Number.POSITIVE_INFINITY;
    if (result.kind === "wait") untilMs = result.untilMs;
    if (open.task.hasWork && !open.committer.busy) {
      untilMs = Math.min(untilMs, open.pace.notBeforeMs(nowMs));
    }
    if (!open.committer.busy) untilMs = Math.min(untilMs, open.wakes.nextLookMs(open.task));
    if (result.kind === "later") this.awaitSchema(result.ready);
    await this.signal.wait(untilMs - nowMs);
    // A process that stood still sees its timers first: what it waits for may lie in the socket already.
    if (result.kind === "wait") await turn();
  }

  private awaitSchema(ready: Promise<void>): void {
    if (this.awaited === ready) return;
    this.awaited = ready;
    const { observer } = this.host;
    const report = setTimeout(() => {
      observer.dependency({ name: "registry", up: false, why: "a schema is waited for" });
    }, LATER_REPORT_MS);
    void ready.then(() => {
      clearTimeout(report);
      observer.dependency({ name: "registry", up: true });
      this.awaited = null;
      this.signal.raise();
    });
  }

  /** Commits everything that was processed. */
  private async drain({ committer, task }: Open): Promise<void> {
    await committer.settled();
    committer.throwIfFailed();
    if (!task.hasWork) return;
    committer.start(task, this.processMs);
    await committer.settled();
    committer.throwIfFailed();
  }

  private async fail(error: VigError): Promise<void> {
    const { host, partition } = this;
    this.hasFailed = true;
    host.log.fatal({ partition, code: error.code, error: error.message }, "task.failed");
    host.observer.task({ partition, state: "failed" });
    await this.close();
    host.failed(partition, error);
  }

  private async backOff(error: VigError, failures: number): Promise<void> {
    const { log, observer } = this.host;
    const { partition } = this;
    const why = error.cause === undefined ? null : messageOf(error.cause);
    log.warn({ partition, code: error.code, error: error.message, why, failures }, "task.retry");
    // A topic that was just created, or a leader that just moved, is no outage.
    if (error.code === "VIG_BROKER_AWAY" && failures > 1) {
      observer.dependency({ name: "kafka", up: false, why: error.message });
    }
    await this.close();
    if (this.ending !== null) return;
    const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(failures, 10));
    const untilMs = performance.now() + waitMs;
    while (this.ending === null && performance.now() < untilMs) {
      await this.signal.wait(untilMs - performance.now());
    }
  }

  private async close(): Promise<void> {
    const { open } = this;
    this.open = null;
    await open?.committer.close();
  }
}

const heals = (error: VigError, failures: number): boolean =>
  HEALING.has(error.code) && !(error.code === "VIG_TRANSACTION_ABORTED" && failures > REFUSED_MAX);

const asVigError = (thrown: unknown, processor: string): VigError =>
  thrown instanceof VigError
    ? thrown
    : new VigError(
        "VIG_INVARIANT",
        { what: `${processor}: ${messageOf(thrown)}` },
        { cause: thrown },
      );
