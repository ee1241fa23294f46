import type { StateStore } from "../state/store.ts";
import type { Task } from "../task/task.ts";
import type { Ends } from "./ends.ts";
import type { TaskHost } from "./task-host.ts";

/** Looking at the store's index costs a cursor; wake times are minutes apart. */
const LOOK_INTERVAL_MS = 20;
/** One commit wakes at most so many, so that records are not kept waiting. */
const WAKES_PER_COMMIT_MAX = 500;

/** States that a change of a global concerns are judged as of a moment that is no older than this. */
const SWEEP_ENDS_AGE_MAX_MS = 1_000;

/**
 * Decides when states may be woken: one that is due at T only after every input was consumed to its end as read
 * after T. A backlog thus never expires what its records would have kept alive.
 */
export class WakeGate {
  private readonly host: TaskHost;
  private readonly partition: number;
  private readonly store: StateStore;
  private readonly onNews: () => void;
  private readonly enabled: boolean;
  private lookAtMs = Number.NEGATIVE_INFINITY;
  /** The earliest wake time when last looked; null: none. */
  private nextWakeMs: number | null = null;
  private asking = false;
  /** The store was written since the last look, so an earlier wake time may be in it. */
  private unseen = true;

  constructor(host: TaskHost, partition: number, store: StateStore, onNews: () => void) {
    this.host = host;
    this.partition = partition;
    this.store = store;
    this.onNews = onNews;
    this.enabled = host.processor.wake !== undefined;
  }

  /** Wakes what may be woken now. Not while a commit is under way: the store is looked at. */
  fire(task: Task, nowMs: number): void {
    if (!this.enabled || nowMs < this.lookAtMs) return;
    this.lookAtMs = nowMs + LOOK_INTERVAL_MS;
    this.unseen = false;
    this.nextWakeMs = this.store.nextWakeMs();
    const sweeping = task.sweepPending;
    if (!sweeping && (this.nextWakeMs === null || this.nextWakeMs > nowMs)) return;
    const sinceMs = Math.min(this.nextWakeMs ?? nowMs, nowMs);
    const ends = this.host.ends.known(sweeping ? nowMs - SWEEP_ENDS_AGE_MAX_MS : sinceMs);
    if (ends === null) {
      this.ask();
      return;
    }
    if (!this.isConsumed(task, ends)) return;
    // Nothing later than what the inputs were read to may be judged by.
    const asOfMs = Math.min(ends.readAtMs, nowMs);
    const due = this.store.due(asOfMs, WAKES_PER_COMMIT_MAX);
    if (due.length > 0) task.wake(due, asOfMs);
    if (sweeping) task.sweep(asOfMs, WAKES_PER_COMMIT_MAX);
    // A full round, or a stale index: look again at once.
    this.lookAtMs = nowMs;
  }

  noteWrite(): void {
    this.unseen = true;
  }

  /** When to call `fire` again if nothing else happens. */
  nextLookMs(task: Task): number {
    if (!this.enabled) return Number.POSITIVE_INFINITY;
    if (this.unseen) return this.lookAtMs;
    if (!this.asking && task.sweepPending) return this.lookAtMs;
    if (this.nextWakeMs === null || this.asking) return Number.POSITIVE_INFINITY;
    return Math.max(this.nextWakeMs, this.lookAtMs);
  }

  private ask(): void {
    if (this.asking) return;
    this.asking = true;
    this.host.ends
      .read()
      .catch(() => undefined)
      .finally(() => {
        this.asking = false;
        this.onNews();
      });
  }

  private isConsumed(task: Task, ends: Ends): boolean {
    return task.queues.every(({ absent, nextOffset, topic }) => {
      if (absent) return true;
      const end = ends.offsets.get(this.host.names.physical(topic))?.[this.partition] ?? 0;
      return nextOffset >= end;
    });
  }
}
