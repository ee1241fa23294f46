import { assert } from "@vigie/core/assert";
import type { Reader, Writer } from "./bytes.ts";

/**
 * How often each of many values came, as 32-bit hashes in ascending order, in bounded memory: the frequent values are
 * kept, the rare ones give way. Exact while there are no more values than `capacity`; after that a count is too low by
 * at most N / (capacity + 1) of N counted.
 * Source: Misra and Gries, "Finding repeated elements" (1982), merged as in Agarwal et al., "Mergeable Summaries"
 * (PODS 2012). Immutable.
 */
export class Tally {
  static readonly none = new Tally(new Uint32Array(0), new Uint32Array(0));

  private readonly values: Uint32Array;
  private readonly counts: Uint32Array;

  private constructor(values: Uint32Array, counts: Uint32Array) {
    this.values = values;
    this.counts = counts;
  }

  /** How many different values are kept. */
  get size(): number {
    return this.values.length;
  }

  /** How often the value came; 0 when it is not kept. */
  of(value: number): number {
    const { values } = this;
    let low = 0;
    let high = values.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((values[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return values[low] === value ? (this.counts[low] as number) : 0;
  }

  /** `added`: ascending, any value as often as it came. */
  plus(added: Uint32Array, capacity: number): Tally {
    const values = new Uint32Array(this.size + added.length);
    const counts = new Uint32Array(values.length);
    let size = 0;
    let from = 0;
    for (let i = 0; i < added.length; ) {
      const value = added[i] as number;
      while (from < this.size && (this.values[from] as number) < value) {
        values[size] = this.values[from] as number;
        counts[size++] = this.counts[from++] as number;
      }
      const known = this.values[from] === value ? (this.counts[from++] as number) : 0;
      const first = i;
      while (added[i] === value) i++;
      values[size] = value;
      counts[size++] = known + i - first;
    }
    while (from < this.size) {
      values[size] = this.values[from] as number;
      counts[size++] = this.counts[from++] as number;
    }
    // Copies, so that what is kept holds no more.
    const [allValues, allCounts] = [values.slice(0, size), counts.slice(0, size)];
    if (size <= capacity) return new Tally(allValues, allCounts);
    const excess = nthGreatest(allCounts, capacity);
    return Tally.kept(allValues, allCounts, (count) => count - excess);
  }

  /** All counts halved, rounded down: what came once is forgotten. */
  halved(): Tally {
    return Tally.kept(this.values, this.counts, (count) => count >>> 1);
  }

  /** varint size, then each value as 4 bytes and its count as a varint. */
  write(writer: Writer): void {
    writer.varint(this.size);
    for (let i = 0; i < this.size; i++) {
      writer.u32(this.values[i] as number);
      writer.varint(this.counts[i] as number);
    }
  }

  static read(reader: Reader): Tally {
    const size = reader.varint();
    const values = new Uint32Array(size);
    const counts = new Uint32Array(size);
    for (let i = 0; i < size; i++) {
      values[i] = reader.u32();
      counts[i] = reader.varint();
      assert(i === 0 || (values[i - 1] as number) < (values[i] as number), "a tally is in order");
    }
    return new Tally(values, counts);
  }

  /** The values whose count is positive after it was changed. */
  private static kept(
    values: Uint32Array,
    counts: Uint32Array,
    change: (count: number) => number,
  ): Tally {
    const keptValues = new Uint32Array(counts.length);
    const keptCounts = new Uint32Array(counts.length);
    let size = 0;
    for (let i = 0; i < counts.length; i++) {
      const count = change(counts[i] as number);
      if (count <= 0) continue;
      keptValues[size] = values[i] as number;
      keptCounts[size++] = count;
    }
    return new Tally(keptValues.slice(0, size), keptCounts.slice(0, size));
  }
}

/** n = 0: the greatest. */
const nthGreatest = (counts: Uint32Array, n: number): number =>
  counts.slice().sort()[counts.length - 1 - n] as number;
