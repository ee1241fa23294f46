import { hash, randomBytes } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { type Clock, SECOND_MS } from "@vigie/core/time";

const SLOTS_MIN = 1_024;
/** Source: Knuth, The Art of Computer Programming 3, 6.4: linear probing stays short up to two thirds. */
const FULL_SHARE = 2 / 3;
/** Words of a slot: hash (two), and until when the entry counts in seconds; 0: the slot is free. */
const WORDS = 3;

/** Names asked about lately whose hash is kept: each question is put before and after the stores are asked. */
const ASKED_MAX = 4_096;

type Hash = readonly [high: number, low: number];

/**
 * Names of sessions with the time at which each was denied, until it may be forgotten: 20 bytes a slot, where a Map of
 * names takes some 250. A name is kept as 64 bits of a hash under a key of this process: one of a million entries is
 * taken for another name once in 10^13 questions, and nobody can choose a name that is.
 * Time: constant; growing takes some 100 ms for a million entries, and drops what has run out.
 */
export class DeniedSessions {
  readonly #clock: Clock;
  readonly #secret = randomBytes(16).toString("latin1");
  #words = new Uint32Array(WORDS * SLOTS_MIN);
  #deniedAtMs = new Float64Array(SLOTS_MIN);
  #used = 0;
  readonly #asked = new Map<string, Hash>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Entries held, with those that have run out since the last growth. */
  get size(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#words.byteLength + this.#deniedAtMs.byteLength;
  }

  /** The longer of two expiries counts, and the earlier denial. */
  add(name: string, entry: { readonly deniedAtMs: number; readonly expiresAtMs: number }): void {
    if (entry.expiresAtMs <= this.#clock()) return;
    if (this.#used >= FULL_SHARE * this.#deniedAtMs.length) this.#grow();
    const [high, low] = this.#hashOf(name);
    this.#put(high, low, secondsUp(entry.expiresAtMs), entry.deniedAtMs);
  }

  /** When this session was denied, or null. */
  deniedAtMs(name: string): number | null {
    const [high, low] = this.#hashOfAsked(name);
    const slot = this.#slotOf(high, low);
    const expiresS = this.#words[WORDS * slot + 2] ?? 0;
    return expiresS * SECOND_MS > this.#clock() ? (this.#deniedAtMs[slot] ?? null) : null;
  }

  #hashOfAsked(name: string): Hash {
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    if (this.#asked.size >= ASKED_MAX) this.#asked.clear();
    const hashed = this.#hashOf(name);
    this.#asked.set(name, hashed);
    return hashed;
  }

  #hashOf(name: string): Hash {
    const digest = hash("sha1", this.#secret + name, "buffer");
    return [digest.readUInt32LE(0), digest.readUInt32LE(4)];
  }

  /** Where this hash is, or the free slot where it would be. */
  #slotOf(high: number, low: number): number {
    const words = this.#words;
    const mask = this.#deniedAtMs.length - 1;
    for (let slot = low & mask; ; slot = (slot + 1) & mask) {
      const at = WORDS * slot;
      if (words[at + 2] === 0 || (words[at] === high && words[at + 1] === low)) return slot;
    }
  }

  #put(high: number, low: number, expiresS: number, deniedAtMs: number): void {
    const slot = this.#slotOf(high, low);
    const at = WORDS * slot;
    const heldS = this.#words[at + 2] ?? 0;
    this.#words[at] = high;
    this.#words[at + 1] = low;
    this.#words[at + 2] = Math.max(heldS, expiresS);
    const heldAtMs = heldS === 0 ? deniedAtMs : (this.#deniedAtMs[slot] ?? deniedAtMs);
    this.#deniedAtMs[slot] = Math.min(heldAtMs, deniedAtMs);
    if (heldS === 0) this.#used += 1;
    assert(this.#used < this.#deniedAtMs.length, "a free slot ends every search");
  }

  /** Into as many slots as what still counts needs. */
  #grow(): void {
    const words = this.#words;
    const deniedAtMs = this.#deniedAtMs;
    const nowS = this.#clock() / SECOND_MS;
    let live = 0;
    for (let at = 2; at < words.length; at += WORDS) if ((words[at] ?? 0) > nowS) live += 1;
    let slots = SLOTS_MIN;
    // Half full at most, so that the next growth is far.
    while (slots < 2 * live) slots *= 2;
    this.#words = new Uint32Array(WORDS * slots);
    this.#deniedAtMs = new Float64Array(slots);
    this.#used = 0;
    for (let slot = 0; slot < deniedAtMs.length; slot += 1) {
      const at = WORDS * slot;
      const expiresS = words[at + 2] ?? 0;
      if (expiresS <= nowS) continue;
      this.#put(words[at] ?? 0, words[at + 1] ?? 0, expiresS, deniedAtMs[slot] ?? 0);
    }
  }
}

const SECONDS_MAX = 2 ** 32 - 1;

/** Never shorter than it was; a time that does not fit is as far as one that does. */
const secondsUp = (ms: number): number => Math.min(SECONDS_MAX, Math.ceil(ms / SECOND_MS));
