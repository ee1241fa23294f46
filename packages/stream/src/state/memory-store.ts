import { wakeOf } from "./envelope.ts";
import {
  type Checkpoint,
  type DueKey,
  isReservedKey,
  type StateChanges,
  type StateStore,
} from "./store.ts";

/** The store's twin in memory, for the test driver and for tests. */
export class MemoryStore implements StateStore {
  private readonly states = new Map<string, Buffer>();
  private last: Checkpoint | null = null;

  get(key: string): Uint8Array | undefined {
    return this.states.get(key);
  }

  async write(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    this.writeNow(changes, checkpoint);
  }

  /** The same at once: the test driver has no event loop to wait for. */
  writeNow(changes: StateChanges, checkpoint: Checkpoint): void {
    for (const [key, envelope] of changes) {
      if (envelope === null) this.states.delete(key);
      else this.states.set(key, envelope);
    }
    this.last = checkpoint;
  }

  checkpoint(): Checkpoint | null {
    return this.last;
  }

  due(untilMs: number, limit: number): DueKey[] {
    const due: DueKey[] = [];
    for (const [key, envelope] of this.states) {
      const wakeAtMs = wakeOf(envelope);
      if (wakeAtMs !== null && wakeAtMs <= untilMs) due.push({ key, wakeAtMs });
    }
    return due.sort(byWakeThenKey).slice(0, limit);
  }

  nextWakeMs(): number | null {
    let next: number | null = null;
    for (const envelope of this.states.values()) {
      const wakeAtMs = wakeOf(envelope);
      if (wakeAtMs !== null && (next === null || wakeAtMs < next)) next = wakeAtMs;
    }
    return next;
  }

  keysFrom(prefix: string, after: string | null, limit: number): string[] {
    const found = [...this.states.keys()].filter(
      (key) => key.startsWith(prefix) && !isReservedKey(key) && (after === null || key > after),
    );
    return found.sort().slice(0, limit);
  }

  entries(): Iterable<[string, Uint8Array]> {
    return this.states.entries();
  }

  async clear(): Promise<void> {
    this.states.clear();
    this.last = null;
  }

  async close(): Promise<void> {}
}

const byWakeThenKey = (a: DueKey, b: DueKey): number =>
  a.wakeAtMs - b.wakeAtMs || (a.key < b.key ? -1 : 1);
