import { hash } from "node:crypto";
import { assert } from "@vigie/core/assert";
import type { Clock } from "@vigie/core/time";

/**
 * Claims of tokens whose signature was verified a moment ago, by the SHA-256 of the token, so that no token
 * lies in memory. An entry lives until the token expires, at most `ttlMs`. Bounded: the oldest entry goes first.
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
    const key = digest(token);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (this.#clock() < entry.untilMs) return entry.claims;
    this.#entries.delete(key);
    return undefined;
  }

  put(token: string, claims: C, expiresAtMs: number): void {
    const nowMs = this.#clock();
    const untilMs = Math.min(expiresAtMs, nowMs + this.#ttlMs);
    if (untilMs <= nowMs) return;
    const key = digest(token);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#entriesMax) {
      const oldest = this.#entries.keys().next();
      if (!oldest.done) this.#entries.delete(oldest.value);
    }
    this.#entries.set(key, { claims, untilMs });
    assert(this.#entries.size <= this.#entriesMax, "a token cache stays within its limit");
  }
}

const digest = (token: string): string => hash("sha256", token, "base64");
