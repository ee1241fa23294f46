import { MINUTE_MS } from "@vigie/core/time";
import { LENGTH_DEFAULT, type Precisions } from "./precisions.ts";

/** How finely the places of people may go on, in characters of a geohash. Shape of `key`: tenant|user. */
export interface Consents {
  /** 0: not known yet, or no longer, so not at all. */
  lengthOf(key: string): number;
}

/** Nobody has said anything. */
export const noConsents: Consents = { lengthOf: () => LENGTH_DEFAULT };

/**
 * For so long what was last heard counts. Kafka misses a broker after 9 s (broker.session.timeout.ms) and elects, and a
 * broker restarts within a minute or two: that costs no places. Whoever withdraws their consent waits no longer.
 */
export const SILENCE_MAX_MS = 3 * MINUTE_MS;

/** What was last read whole and followed since; nothing before that, nor once a partition has been silent for too long. */
export class ConsentBook implements Consents {
  readonly #now: () => number;
  readonly #silenceMaxMs: number;
  #read: Precisions | null = null;
  /** When each partition was last heard of. */
  #heardMs: number[] = [];

  /** `now`: in ms, of a clock that nobody sets. */
  constructor(now: () => number = () => performance.now(), silenceMaxMs = SILENCE_MAX_MS) {
    this.#now = now;
    this.#silenceMaxMs = silenceMaxMs;
  }

  get isRead(): boolean {
    return this.#read !== null;
  }

  get isCurrent(): boolean {
    if (this.#read === null) return false;
    const sinceMs = this.#now() - this.#silenceMaxMs;
    return this.#heardMs.every((heardMs) => heardMs >= sinceMs);
  }

  lengthOf(key: string): number {
    return this.#read === null || !this.isCurrent ? 0 : this.#read.of(key);
  }

  replace(read: Precisions, partitions: number): void {
    this.#read = read;
    this.#heardMs = new Array<number>(partitions).fill(this.#now());
  }

  /** All that a partition has told so far is taken. */
  heard(partition: number): void {
    this.#heardMs[partition] = this.#now();
  }
}
