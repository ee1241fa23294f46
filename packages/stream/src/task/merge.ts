import type { InputQueue } from "./input-queue.ts";

/** What a task may take next: a record of an input, nothing before a time, or nothing at all. */
export type Next =
  | { readonly kind: "take"; readonly queue: InputQueue }
  | { readonly kind: "wait"; readonly untilMs: number }
  | { readonly kind: "empty" };

const EMPTY: Next = { kind: "empty" };

/**
 * Chooses the next record of a task: urgent inputs first, then the oldest head of the merged ones; of heads
 * of one time, that of the input named first. While a merged input has none buffered but more to read, the
 * task waits for it, `maxTaskIdleMs` at most; then it goes on without it until that input has caught up.
 */
export class TimeMerge {
  private readonly urgent: readonly InputQueue[];
  private readonly merged: readonly InputQueue[];
  private readonly maxTaskIdleMs: number;
  private readonly takes: ReadonlyMap<InputQueue, Next>;
  private waitingSinceMs = -1;

  constructor(queues: readonly InputQueue[], maxTaskIdleMs: number) {
    this.urgent = queues.filter((queue) => queue.urgent);
    this.merged = queues.filter((queue) => !queue.urgent);
    this.maxTaskIdleMs = maxTaskIdleMs;
    // One object an input for the life of the task: this runs once a record.
    this.takes = new Map(queues.map((queue) => [queue, { kind: "take", queue }]));
  }

  next(nowMs: number): Next {
    const urgent = oldest(this.urgent);
    if (urgent !== null) return this.takes.get(urgent) as Next;
    const first = oldest(this.merged);
    if (first === null) {
      this.waitingSinceMs = -1;
      return EMPTY;
    }
    if (!this.someInputIsMissing()) {
      this.waitingSinceMs = -1;
      return this.takes.get(first) as Next;
    }
    if (this.waitingSinceMs < 0) this.waitingSinceMs = nowMs;
    const untilMs = this.waitingSinceMs + this.maxTaskIdleMs;
    if (nowMs >= untilMs) return this.takes.get(first) as Next;
    return { kind: "wait", untilMs };
  }

  private someInputIsMissing(): boolean {
    for (const queue of this.merged) if (queue.length === 0 && queue.behind) return true;
    return false;
  }
}

function oldest(queues: readonly InputQueue[]): InputQueue | null {
  let found: InputQueue | null = null;
  for (const queue of queues) {
    if (queue.length === 0) continue;
    if (found === null || queue.headMs < found.headMs) found = queue;
  }
  return found;
}
