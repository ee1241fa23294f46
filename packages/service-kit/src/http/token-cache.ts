import { assert } from "@vigie/core/assert";
import type { Clock } from "@vigie/core/time";

interface Entry<C> {
  readonly token: string;
  readonly claims: C;
  readonly untilMs: number;
}

/** Source: 384 bits of a signature in base64url; no two sound tokens share them. */
const KEY_LENGTH = 64;

/** The name of an entry only: what it is worth is decided by the whole token. */
const keyOf = (token: string): string => token.slice(-KEY_LENGTH);

/**
 * Claims of tokens whose signature was verified a moment ago, found by the end of the signature and then compared
 * whole: a digest of the token would cost more than all the rest of a look-up. An entry lives until the token expires, at most `ttlMs`. Bounded: the oldest entry goes first.
 * Only signatures are remembered here, never whether a session lives.
 */
export class TokenCache<C> {
  readonly #entries = new Map<string, Entry<C>>();
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
    const key = keyOf(token);
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.token !== token) return undefined;
    if (this.#clock() < entry.untilMs) return entry.claims;
    this.#entries.delete(key);
    return undefined;
  }

  put(token: string, claims: C, expiresAtMs: number): void {
    const nowMs = this.#clock();
    const untilMs = Math.min(expiresAtMs, nowMs + this.#ttlMs);
    if (untilMs <= nowMs) return;
    const key = keyOf(token);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#entriesMax) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, { token, claims, untilMs });
    assert(this.#entries.size <= this.#entriesMax, "a token cache stays within its limit");
  }
}
