import { drawBasis, hashedWith, scattered } from "../state/key-hash.ts";

const CAPACITY_FIRST = 16;
/** What a slot without an entry has for a hash. */
const NONE = 0;

/**
 * Entries by their keys. A Map would do, but most look-ups of a task find nothing, and a Map then reads strings
 * all over the memory: here the hashes lie side by side (open addressing, at most half full).
 */
export class EntryTable<E extends { readonly key: string }> {
  size = 0;
  private hashes = new Int32Array(CAPACITY_FIRST);
  private slots: (E | null)[] = new Array<E | null>(CAPACITY_FIRST).fill(null);
  /** Of the 32 bits of a scattered hash the highest make the slot. */
  private shift = 32 - Math.log2(CAPACITY_FIRST);
  private readonly basis: number;

  /** `basis`: tests choose what is drawn otherwise. */
  constructor(basis = drawBasis()) {
    this.basis = basis;
  }

  get(key: string): E | undefined {
    const hash = this.hashOf(key);
    const { hashes, slots } = this;
    for (let at = this.slotOf(hash); hashes[at] !== NONE; at = this.next(at)) {
      if (hashes[at] !== hash) continue;
      const entry = slots[at] as E;
      if (entry.key === key) return entry;
    }
    return undefined;
  }

  /** Adds an entry whose key is not there. */
  add(entry: E): void {
    if (this.size * 2 >= this.hashes.length) this.grow();
    this.place(entry, this.hashOf(entry.key));
    this.size += 1;
  }

  /** Forgets all entries and keeps the room. */
  clear(): void {
    if (this.size === 0) return;
    this.hashes.fill(NONE);
    this.slots.fill(null);
    this.size = 0;
  }

  /** Never NONE. */
  private hashOf(key: string): number {
    let hash = this.basis;
    for (let i = 0; i < key.length; i++) hash = hashedWith(hash, key.charCodeAt(i));
    return hash === NONE ? 1 : hash;
  }

  private slotOf(hash: number): number {
    return scattered(hash) >>> this.shift;
  }

  private next(at: number): number {
    return (at + 1) & (this.hashes.length - 1);
  }

  private place(entry: E, hash: number): void {
    let at = this.slotOf(hash);
    while (this.hashes[at] !== NONE) at = this.next(at);
    this.hashes[at] = hash;
    this.slots[at] = entry;
  }

  private grow(): void {
    const { hashes, slots } = this;
    this.hashes = new Int32Array(hashes.length * 2);
    this.slots = new Array<E | null>(hashes.length * 2).fill(null);
    this.shift -= 1;
    for (let at = 0; at < hashes.length; at++) {
      const entry = slots[at];
      if (entry) this.place(entry, hashes[at] as number);
    }
  }
}
