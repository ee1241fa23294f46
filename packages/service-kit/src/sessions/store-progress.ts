import type { Clock } from "@vigie/core/time";
import { LAG_MAX_MS } from "./topic-ends.ts";

/** Of a store that has gone back: behind every topic, also an empty one. */
export const GONE_BACK = -1;

/**
 * How far a store is, held against what it told before, for a store that answers in the order in which it was asked.
 * One that has gone back was restored, or a replica that lagged has taken its place: it vouches for nobody until it is
 * as far again. What it told longer ago than LAG_MAX_MS need not be remembered: the look at the topic that it is then
 * compared with is newer than that.
 */
export class StoreProgress {
  readonly #clock: Clock;
  readonly #offsets: number[] = [];
  readonly #toldAtMs: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Returns: the offset, or GONE_BACK. */
  told(partition: number, offset: number): number {
    const nowMs = this.#clock();
    const furthest = this.#offsets[partition] ?? 0;
    const isKnown = nowMs - (this.#toldAtMs[partition] ?? nowMs) <= LAG_MAX_MS;
    if (isKnown && offset < furthest) return GONE_BACK;
    this.#offsets[partition] = offset;
    this.#toldAtMs[partition] = nowMs;
    return offset;
  }
}
