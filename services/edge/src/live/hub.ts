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
  #needs = 0;
  #onNeeded: (isNeeded: boolean) => void = () => undefined;
  #onFollowing = Promise.withResolvers<void>();

  /** Has `tell` told when somebody needs events, and when nobody does any more. */
  whenNeeded(tell: (isNeeded: boolean) => void): void {
    this.#onNeeded = tell;
  }

  /** Somebody needs events. Returns: how to need them no longer. */
  need(): () => void {
    this.#needs += 1;
    if (this.#needs === 1) this.#onNeeded(true);
    return () => {
      this.#needs -= 1;
      if (this.#needs === 0) this.#onNeeded(false);
    };
  }

  /** Resolves once what happens from then on will be told. Throws: VIG_BROKER_AWAY if it is not in time. */
  async following(timeoutMs: number): Promise<void> {
    if (this.#isFollowing) return;
    const late = Promise.withResolvers<never>();
    const why = "events are not followed yet";
    const timer = setTimeout(
      () => late.reject(new VigError("VIG_BROKER_AWAY", { why })),
      timeoutMs,
    );
    try {
      await Promise.race([this.#onFollowing.promise, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

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

  follows(): void {
    this.#isFollowing = true;
    this.#onFollowing.resolve();
  }

  /** Events were lost: whoever listens has to read the lists again. */
  lost(): void {
    if (this.#isFollowing) this.#onFollowing = Promise.withResolvers();
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
