/** Longer texts are ids and user agents: hashing those costs as much as decoding them. */
const CACHED_MAX_BYTES = 32;
/** Direct-mapped: what a fleet of devices repeats (signal names, versions, channels) fits many times. */
const SLOTS = 4_096;
/** Source: FNV-1a, 32 bits (Fowler, Noll, Vo; public domain). */
const FNV_PRIME = 16_777_619;

const texts: string[] = new Array<string>(SLOTS).fill("");
const lengths = new Uint8Array(SLOTS);
const copies = new Uint8Array(SLOTS * CACHED_MAX_BYTES);

/** How often a field is looked up before it is known whether that pays, and then left alone when it does not. */
const TRIED = 1_024;
const LEFT_ALONE = 65_536;

/**
 * Gives the texts of one field: UTF-8 bytes as a string, the same string object for short texts that keep coming.
 * That is faster than decoding, and states that hold them share one copy. A field whose texts do not come again, as
 * ids, is decoded plainly: looking it up would cost more than it saves.
 */
export class FieldTexts {
  private lookups = 0;
  private hits = 0;

  of(bytes: Buffer, from: number, length: number): string {
    if (length > CACHED_MAX_BYTES) return bytes.toString("utf8", from, from + length);
    this.lookups += 1;
    if (this.lookups > TRIED) {
      if (this.lookups > LEFT_ALONE) this.tryAgain();
      else if (this.hits * 2 < TRIED) return bytes.toString("utf8", from, from + length);
    }
    return this.lookUp(bytes, from, length);
  }

  private tryAgain(): void {
    this.lookups = 1;
    this.hits = 0;
  }

  private lookUp(bytes: Buffer, from: number, length: number): string {
    let hash = length;
    for (let i = 0; i < length; i++) {
      hash = Math.imul(hash ^ (bytes[from + i] as number), FNV_PRIME);
    }
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const at = slot * CACHED_MAX_BYTES;
    if (lengths[slot] === length && isCopy(bytes, from, length, at)) {
      this.hits += 1;
      return texts[slot] as string;
    }
    const text = bytes.toString("utf8", from, from + length);
    texts[slot] = text;
    lengths[slot] = length;
    for (let i = 0; i < length; i++) copies[at + i] = bytes[from + i] as number;
    return text;
  }
}

function isCopy(bytes: Buffer, from: number, length: number, at: number): boolean {
  for (let i = 0; i < length; i++) if (copies[at + i] !== bytes[from + i]) return false;
  return true;
}
