import { drawBasis, hashedWith, scattered } from "../state/key-hash.ts";

const CAPACITY_FIRST = 1_024;
/** At that load a look-up passes 1.5 others on average when its key is there, 7.5 when not. Source: Knuth, 6.4. */
const LOAD_MAX = 0.75;
const KEYS_BYTES_FIRST = 16 * 1_024;
/** A key's length, in front of its bytes. */
const LENGTH_BYTES = 2;
/** What a slot that nobody has taken has for the place of its key. */
const FREE = 0;
const ASCII_MAX = 0x7f;

/** The address of a value that lies nowhere yet. */
export const NOWHERE = -1;

/**
 * Keys and where their values lie: 20 bytes a slot and the key itself, in a few arrays outside of the heap, so that
 * a million keys cost the garbage collector nothing. Open addressing; a key is compared whole.
 */
export class KeyTable {
  size = 0;
  private hashes = new Int32Array(CAPACITY_FIRST);
  private keysAt = new Uint32Array(CAPACITY_FIRST);
  private addresses = new Float64Array(CAPACITY_FIRST);
  private lengths = new Uint32Array(CAPACITY_FIRST);
  /** Of the 32 bits of a scattered hash the highest make the slot. */
  private shift = 32 - Math.log2(CAPACITY_FIRST);
  private keys = Buffer.allocUnsafeSlow(KEYS_BYTES_FIRST);
  /** The first byte is nobody's: see FREE. */
  private keysEnd = 1;
  /** Of it: keys that were removed. */
  private keysLost = 0;
  private asked = Buffer.allocUnsafeSlow(64);
  private readonly basis: number;

  /** `basis`: tests choose what is drawn otherwise. */
  constructor(basis = drawBasis()) {
    this.basis = basis;
  }

  /** The slot of a key; -1: it is not there. Good until the next change. */
  find(key: string): number {
    const length = this.take(key);
    const { asked } = this;
    return this.slotOf(asked, 0, length, this.hashOf(asked, 0, length));
  }

  /** The slot of the key that lies there. */
  findIn(bytes: Buffer, at: number, length: number): number {
    return this.slotOf(bytes, at, length, this.hashOf(bytes, at, length));
  }

  addressAt(slot: number): number {
    return this.addresses[slot] as number;
  }

  lengthAt(slot: number): number {
    return this.lengths[slot] as number;
  }

  /** The slot of the key that lies there, from now on one of its own; its address is NOWHERE if it was not there. */
  slotFor(bytes: Buffer, at: number, length: number): number {
    const hash = this.hashOf(bytes, at, length);
    const known = this.slotOf(bytes, at, length, hash);
    if (known !== -1) return known;
    if (this.size >= this.hashes.length * LOAD_MAX) this.grow();
    const keyAt = this.keep(bytes, at, length);
    const slot = this.freeSlot(hash);
    this.hashes[slot] = hash;
    this.keysAt[slot] = keyAt;
    this.addresses[slot] = NOWHERE;
    this.size += 1;
    return slot;
  }

  /** Where the value of a slot lies from now on. */
  move(slot: number, address: number, length: number): void {
    this.addresses[slot] = address;
    this.lengths[slot] = length;
  }

  /** Those behind it that could not lie where they belong move up, so that no look-up ends too early. */
  remove(slot: number): void {
    const mask = this.hashes.length - 1;
    this.keysLost += LENGTH_BYTES + this.keys.readUInt16LE(this.keysAt[slot] as number);
    let hole = slot;
    for (let at = (slot + 1) & mask; this.keysAt[at] !== FREE; at = (at + 1) & mask) {
      const home = this.homeOf(this.hashes[at] as number);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      this.hashes[hole] = this.hashes[at] as number;
      this.keysAt[hole] = this.keysAt[at] as number;
      this.addresses[hole] = this.addresses[at] as number;
      this.lengths[hole] = this.lengths[at] as number;
      hole = at;
    }
    this.keysAt[hole] = FREE;
    this.size -= 1;
  }

  clear(): void {
    this.keysAt.fill(FREE);
    this.size = 0;
    this.keysEnd = 1;
    this.keysLost = 0;
  }

  /** Every key with its slot. Not while something changes. */
  *entries(): Iterable<[string, number]> {
    for (let slot = 0; slot < this.keysAt.length; slot++) {
      const at = this.keysAt[slot] as number;
      if (at === FREE) continue;
      const from = at + LENGTH_BYTES;
      yield [this.keys.toString("utf8", from, from + this.keys.readUInt16LE(at)), slot];
    }
  }

  /** The key as UTF-8 in `asked`; its length. */
  private take(key: string): number {
    if (key.length * 3 > this.asked.length) this.asked = Buffer.allocUnsafeSlow(key.length * 6);
    return writeKey(this.asked, 0, key);
  }

  private slotOf(bytes: Buffer, at: number, length: number, hash: number): number {
    const { hashes, keysAt } = this;
    const mask = hashes.length - 1;
    for (let slot = this.homeOf(hash); keysAt[slot] !== FREE; slot = (slot + 1) & mask) {
      if (hashes[slot] === hash && this.isKey(keysAt[slot] as number, bytes, at, length))
        return slot;
    }
    return -1;
  }

  private isKey(keyAt: number, bytes: Buffer, at: number, length: number): boolean {
    const { keys } = this;
    if (keys.readUInt16LE(keyAt) !== length) return false;
    const from = keyAt + LENGTH_BYTES;
    for (let i = 0; i < length; i++) if (keys[from + i] !== bytes[at + i]) return false;
    return true;
  }

  private hashOf(bytes: Buffer, at: number, length: number): number {
    let hash = this.basis;
    for (let i = at; i < at + length; i++) hash = hashedWith(hash, bytes[i] as number);
    return hash;
  }

  private homeOf(hash: number): number {
    return scattered(hash) >>> this.shift;
  }

  private freeSlot(hash: number): number {
    const mask = this.hashes.length - 1;
    let slot = this.homeOf(hash);
    while (this.keysAt[slot] !== FREE) slot = (slot + 1) & mask;
    return slot;
  }

  private keep(bytes: Buffer, at: number, length: number): number {
    const needed = this.keysEnd + LENGTH_BYTES + length;
    if (needed > this.keys.length) this.renewKeys(LENGTH_BYTES + length);
    const keyAt = this.keysEnd;
    this.keys.writeUInt16LE(length, keyAt);
    bytes.copy(this.keys, keyAt + LENGTH_BYTES, at, at + length);
    this.keysEnd = keyAt + LENGTH_BYTES + length;
    return keyAt;
  }

  /** Room for so many bytes more, without the keys that were removed. */
  private renewKeys(more: number): void {
    const kept = this.keysEnd - this.keysLost + more;
    const { keys } = this;
    this.keys = Buffer.allocUnsafeSlow(Math.max(KEYS_BYTES_FIRST, kept * 2));
    this.keysEnd = 1;
    this.keysLost = 0;
    for (let slot = 0; slot < this.keysAt.length; slot++) {
      const at = this.keysAt[slot] as number;
      if (at === FREE) continue;
      this.keysAt[slot] = this.keep(keys, at + LENGTH_BYTES, keys.readUInt16LE(at));
    }
  }

  private grow(): void {
    const { hashes, keysAt, addresses, lengths } = this;
    const capacity = hashes.length * 2;
    this.hashes = new Int32Array(capacity);
    this.keysAt = new Uint32Array(capacity);
    this.addresses = new Float64Array(capacity);
    this.lengths = new Uint32Array(capacity);
    this.shift -= 1;
    for (let at = 0; at < hashes.length; at++) {
      if (keysAt[at] === FREE) continue;
      const slot = this.freeSlot(hashes[at] as number);
      this.hashes[slot] = hashes[at] as number;
      this.keysAt[slot] = keysAt[at] as number;
      this.addresses[slot] = addresses[at] as number;
      this.lengths[slot] = lengths[at] as number;
    }
  }
}

/** Writes a key as UTF-8; so many bytes. */
export function writeKey(bytes: Buffer, at: number, key: string): number {
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i);
    if (code > ASCII_MAX) return bytes.write(key, at);
    bytes[at + i] = code;
  }
  return key.length;
}
