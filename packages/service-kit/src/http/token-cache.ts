import { assert } from "@vigie/core/assert";
import type { Clock } from "@vigie/core/time";

/**
 * Claims of tokens whose signature was verified a moment ago, by the whole token: a digest as the key would cost
 * more than the look-up. An entry lives until the token expires, at most `ttlMs`. Bounded: the oldest entry goes first.
 * Only signatures are remembered here, never whether a session lives.
 */
export class TokenCache<C> {
  readonly #entries = new Map<string, { readonly claims: C; readonly untilMs: number }>();
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #entriesMax: number;

  constructor(options: {
    readonly clock: Clock;
    readonly ttlMs: number;
    readonly entriesMax: number;
  }) {
    assert(options.entriesMax > 0, "a token cache has room");
    this.#clock = options.clock;
    this.#ttlMs = options.ttlMs;
    this.#entriesMax = options.entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(token: string): C | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    if (this.#clock() < entry.untilMs) return entry.claims;
    this.#entries.delete(token);
    return undefined;
  }

  put(token: string, claims: C, expiresAtMs: number): void {
    const nowMs = this.#clock();
    const untilMs = Math.min(expiresAtMs, nowMs + this.#ttlMs);
    if (untilMs <= nowMs) return;
    this.#entries.delete(token);
    if (this.#entries.size >= this.#entriesMax) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(token, { claims, untilMs });
    assert(this.#entries.size <= this.#entriesMax, "a token cache stays within its limit");
  }
}
