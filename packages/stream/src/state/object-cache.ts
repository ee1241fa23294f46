/**
 * Decoded states of the keys used last, bounded by count. Two generations instead of a linked list: a key that is
 * used moves to the young one; when that is full the old one is let go of whole. At most `entriesMax` are kept.
 */
export class ObjectCache<S> {
  private readonly generationMax: number;
  private young = new Map<string, S | null>();
  private old = new Map<string, S | null>();

  constructor(entriesMax: number) {
    this.generationMax = Math.floor(entriesMax / 2);
  }

  /** undefined: not cached; null: the key is known to have no state. */
  get(key: string): S | null | undefined {
    const state = this.young.get(key);
    if (state !== undefined) return state;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, state: S | null): void {
    if (this.generationMax === 0) return;
    if (this.young.size >= this.generationMax && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, state);
  }

  clear(): void {
    this.young.clear();
    this.old.clear();
  }
}
