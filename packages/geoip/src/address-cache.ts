import { words } from "./address.ts";
import type { Address } from "./geoip.ts";

const SLOT_BITS = 17;
const SLOTS = 1 << SLOT_BITS;
/** Source: Knuth's multiplicative hashing, 2^32 / golden ratio. */
const GOLDEN = 0x9e37_79b1;

/**
 * The answers for the addresses used last, 131,072 of them in 4 MB: a slot for each hash of an address, taken over by
 * the next address that falls into it. A Map of texts of that size costs five times as much to ask, since each step
 * of it misses the processor's caches.
 */
export class AddressCache {
  private readonly keys = new Uint32Array(SLOTS * 4);
  private readonly families = new Uint8Array(SLOTS);
  private readonly answers: (Address | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);

  /** The answer for the address in `words`. */
  get(family: 4 | 6): Address | undefined {
    const slot = slotOf(family);
    if (this.families[slot] !== family) return undefined;
    const at = slot * 4;
    const { keys } = this;
    if (keys[at] !== words[0]) return undefined;
    if (family === 6) {
      if (keys[at + 1] !== words[1] || keys[at + 2] !== words[2] || keys[at + 3] !== words[3])
        return undefined;
    }
    return this.answers[slot];
  }

  set(family: 4 | 6, answer: Address): void {
    const slot = slotOf(family);
    this.families[slot] = family;
    this.keys.set(words, slot * 4);
    this.answers[slot] = answer;
  }

  clear(): void {
    this.families.fill(0);
    this.answers.fill(undefined);
  }
}

function slotOf(family: 4 | 6): number {
  let hash = words[0] as number;
  if (family === 6) {
    for (let i = 1; i < 4; i++)
      hash = Math.imul(hash ^ (hash >>> 15), GOLDEN) ^ (words[i] as number);
  }
  return Math.imul(hash, GOLDEN) >>> (32 - SLOT_BITS);
}
