import { assert } from "@vigie/core/assert";
import { type Clock, MINUTE_MS } from "@vigie/core/time";

/** How much one key may do. */
export interface Rate {
  /** Sustained. */
  readonly perMinute: number;
  /** At once, after quiet. */
  readonly burst: number;
}

export interface RateLimiter {
  /** Takes `count` at once. Returns 0, or the milliseconds until that many can be taken: then none was. */
  take(key: string, count: number, rate: Rate): number;
}

/** Debt that this process has run up since it last told, and what it learns of the others. */
export interface SharedDebt {
  /** Debt in milliseconds by key since the last call. */
  drain(): ReadonlyMap<string, number>;
  /** What all processes together owe now, by key. */
  learn(key: string, debtMs: number): void;
}

/** Source: 100,000 callers within a minute, some 20 MB. */
const KEYS_MAX = 100_000;

/**
 * Generic cell rate algorithm: a key owes time. Each unit costs `1 / rate`; a key may owe as much as its burst
 * costs. One number a key, no timer, and no window at whose edge twice the rate passes.
 * Source: ITU-T I.371, virtual scheduling.
 */
export class LocalRateLimiter implements RateLimiter, SharedDebt {
  /** When a key owes nothing any more, in milliseconds since the epoch. */
  readonly #paidMs = new Map<string, number>();
  #untold = new Map<string, number>();
  readonly #clock: Clock;
  readonly #keysMax: number;
  #sharing = false;

  constructor(options: { readonly clock: Clock; readonly keysMax?: number }) {
    this.#clock = options.clock;
    this.#keysMax = options.keysMax ?? KEYS_MAX;
  }

  take(key: string, count: number, { perMinute, burst }: Rate): number {
    assert(count > 0 && perMinute > 0 && burst > 0, "a rate and a count are positive");
    const nowMs = this.#clock();
    const unitMs = MINUTE_MS / perMinute;
    const limitMs = burst * unitMs;
    const costMs = count * unitMs;
    const owedMs = Math.max(0, (this.#paidMs.get(key) ?? 0) - nowMs);
    // More than a whole burst at once passes when nothing is owed, and is paid off before the next.
    const waitMs = owedMs + Math.min(costMs, limitMs) - limitMs;
    if (waitMs > ROUNDING_MS) return waitMs;
    this.#put(key, nowMs + owedMs + costMs);
    if (this.#sharing) this.#untold.set(key, (this.#untold.get(key) ?? 0) + costMs);
    return 0;
  }

  drain(): ReadonlyMap<string, number> {
    this.#sharing = true;
    const told = this.#untold;
    this.#untold = new Map();
    return told;
  }

  learn(key: string, debtMs: number): void {
    const untoldMs = this.#untold.get(key) ?? 0;
    this.#put(key, this.#clock() + debtMs + untoldMs);
  }

  #put(key: string, paidMs: number): void {
    if (this.#paidMs.size >= this.#keysMax && !this.#paidMs.has(key)) {
      const oldest = this.#paidMs.keys().next();
      if (!oldest.done) this.#paidMs.delete(oldest.value);
    }
    this.#paidMs.set(key, paidMs);
  }
}

/** Sums of fractions of a millisecond do not add up exactly. */
const ROUNDING_MS = 1e-6;

/** For tests and development: nothing is refused. */
export const noRateLimit: RateLimiter = { take: () => 0 };
