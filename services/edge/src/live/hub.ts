import { VigError } from "@vigie/core/errors";
import { keysOf, type LiveEvent } from "./event.ts";

/** Somebody who is told of events. */
export interface Listener {
  take(event: LiveEvent): void;
  /** Nothing more comes. */
  cut(why: VigError): void;
}

/** Who listens for what. Holds nobody who has left. */
export class Hub {
  readonly #listeners = new Map<string, Set<Listener>>();
  #isFollowing = false;

  /** Returns: how to leave. */
  join(listener: Listener, keys: readonly string[]): () => void {
    for (const key of keys) {
      const joined = this.#listeners.get(key) ?? new Set();
      this.#listeners.set(key, joined.add(listener));
    }
    return () => {
      for (const key of keys) {
        const joined = this.#listeners.get(key);
        if (joined?.delete(listener) && joined.size === 0) this.#listeners.delete(key);
      }
    };
  }

  /** Whether anybody listens for a record with a key that begins with tenant and user. */
  wants(recordKey: string): boolean {
    if (this.#listeners.size === 0) return false;
    const [tenantId = "", userId = ""] = recordKey.split("|", 2);
    return this.#listeners.has(tenantId) || this.#listeners.has(`${tenantId}|${userId}`);
  }

  publish(event: LiveEvent): void {
    // A listener may leave while it is told.
    for (const key of keysOf(event)) {
      for (const listener of [...(this.#listeners.get(key) ?? [])]) listener.take(event);
    }
  }

  /** Whether what happens from now on will be told. */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  follows(): void {
    this.#isFollowing = true;
  }

  /** Events were lost: whoever listens has to read the lists again. */
  lost(): void {
    this.#isFollowing = false;
    const why = new VigError("VIG_BROKER_AWAY", { why: "events were missed" });
    const all = new Set([...this.#listeners.values()].flatMap((joined) => [...joined]));
    for (const listener of all) listener.cut(why);
  }

  /** Keys that somebody listens for. */
  get size(): number {
    return this.#listeners.size;
  }
}
