import { assert } from "@vigie/core/assert";
import { geohashLengths, PRECISION_DEFAULT } from "@vigie/core/geohash";
import { hashedWith, scattered } from "@vigie/stream/state/key-hash";
import { NameHash } from "./name-hash.ts";

/** To how many characters of a geohash the places of somebody may go on who said nothing. Source: GEO-18, PRV-07. */
export const LENGTH_DEFAULT = geohashLengths[PRECISION_DEFAULT];

const SLOTS_MIN = 1_024;
/** Source: Knuth, The Art of Computer Programming 3, 6.4: linear probing stays short up to two thirds. */
const FULL_SHARE = 2 / 3;
/** Two words of hash a slot, and a byte of length; 0: the slot is free. */
const WORDS = 2;

/**
 * Where a search for this hash begins, in a table of a power of two slots above 1. A linear hash maps numbered names to
 * progressions, which would lie in clusters.
 */
export const firstSlotOf = (hash: number, mask: number): number =>
  scattered(hashedWith(hash, 0)) >>> Math.clz32(mask);

/**
 * People whose places may go on more or less finely than everybody's: 9 bytes a slot, where a Map of names takes some
 * 100. A name is kept as 62 bits of a hash that this process drew: one of a million entries is taken for another name
 * once in 10^12 questions, and nobody can choose a name that is.
 */
export class Precisions {
  readonly #high = new NameHash();
  readonly #low = new NameHash();
  #words = new Uint32Array(WORDS * SLOTS_MIN);
  #lengths = new Uint8Array(SLOTS_MIN);
  #used = 0;

  /** Entries held, with those that became everybody's since the last growth. */
  get size(): number {
    return this.#used;
  }

  get bytes(): number {
    return this.#words.byteLength + this.#lengths.byteLength;
  }

  of(name: string): number {
    const slot = this.#slotOf(this.#high.of(name), this.#low.of(name));
    return this.#lengths[slot] || LENGTH_DEFAULT;
  }

  /** Shape: `length` 1..255. */
  set(name: string, length: number): void {
    const high = this.#high.of(name);
    const low = this.#low.of(name);
    // Who is as everybody needs no entry, but one that is there has to be overruled.
    const isNew = this.#lengths[this.#slotOf(high, low)] === 0;
    if (isNew && length === LENGTH_DEFAULT) return;
    if (isNew && this.#used >= FULL_SHARE * this.#lengths.length) this.#grow();
    this.#put(high, low, length);
  }

  /** Where this hash is, or the free slot where it would be. */
  #slotOf(high: number, low: number): number {
    const mask = this.#lengths.length - 1;
    for (let slot = firstSlotOf(low, mask); ; slot = (slot + 1) & mask) {
      const at = WORDS * slot;
      const isFree = this.#lengths[slot] === 0;
      if (isFree || (this.#words[at] === high && this.#words[at + 1] === low)) return slot;
    }
  }

  #put(high: number, low: number, length: number): void {
    const slot = this.#slotOf(high, low);
    if (this.#lengths[slot] === 0) this.#used += 1;
    this.#words[WORDS * slot] = high;
    this.#words[WORDS * slot + 1] = low;
    this.#lengths[slot] = length;
    assert(this.#used < this.#lengths.length, "a free slot ends every search");
  }

  /** Into as many slots as those need who still differ. */
  #grow(): void {
    const words = this.#words;
    const lengths = this.#lengths;
    const isKept = (length: number): boolean => length !== 0 && length !== LENGTH_DEFAULT;
    const kept = lengths.reduce((count, length) => count + (isKept(length) ? 1 : 0), 0);
    let slots = SLOTS_MIN;
    // Half full at most, so that the next growth is far.
    while (slots < 2 * kept) slots *= 2;
    this.#words = new Uint32Array(WORDS * slots);
    this.#lengths = new Uint8Array(slots);
    this.#used = 0;
    lengths.forEach((length, slot) => {
      const at = WORDS * slot;
      if (isKept(length)) this.#put(words[at] ?? 0, words[at + 1] ?? 0, length);
    });
  }
}
