import { assert } from "@vigie/core/assert";
import type { Reader, Writer } from "@vigie/core/bytes";
import { TRAIT_BITS } from "#enrich/traits";

/** Larger values are found as well, and so are ones that lie close together, only later: each step passes one. */
const HASHES = 2 ** TRAIT_BITS;

/**
 * How often each of many values came, as hashes of 31 bits in ascending order, in bounded memory: the frequent values are
 * kept, the rare ones give way. Exact while there are no more values than `capacity`; after that a count is too low by
 * at most N / (capacity + 1) of N counted.
 * Source: Misra and Gries, "Finding repeated elements" (1982), merged as in Agarwal et al., "Mergeable Summaries"
 * (PODS 2012). Immutable.
 */
export class Tally {
  static readonly none = new Tally([], []);

  /** Ascending; shared by tallies that differ in their counts alone, as most that follow each other do. */
  private readonly values: readonly number[];
  private readonly counts: readonly number[];

  private constructor(values: readonly number[], counts: readonly number[]) {
    this.values = values;
    this.counts = counts;
  }

  /** How many different values are kept. */
  get size(): number {
    return this.values.length;
  }

  /** How often the value came; 0 when it is not kept. */
  of(value: number): number {
    const at = this.placeOf(value);
    return this.values[at] === value ? (this.counts[at] as number) : 0;
  }

  /** `added`: in any order, any value as often as it came. */
  plus(added: readonly number[], capacity: number): Tally {
    const counts = this.counts.slice();
    const unknown: number[] = [];
    for (const value of added) {
      const at = this.placeOf(value);
      if (this.values[at] === value) counts[at] = (counts[at] as number) + 1;
      else unknown.push(value);
    }
    if (unknown.length === 0) return new Tally(this.values, counts);
    return Tally.merged(this.values, counts, unknown).fitted(capacity);
  }

  /** All counts halved, rounded down: what came once is forgotten. */
  halved(): Tally {
    return this.changed((count) => count >>> 1);
  }

  /** All counts lowered by the least that leaves no more than `capacity` of them. */
  private fitted(capacity: number): Tally {
    const tooMany = this.size - capacity;
    if (tooMany <= 0) return this;
    let excess = 1;
    // Soon there: what made them too many came a few times at most.
    while (this.notAbove(excess) < tooMany) excess++;
    return this.changed((count) => count - excess);
  }

  private notAbove(limit: number): number {
    let found = 0;
    for (const count of this.counts) if (count <= limit) found++;
    return found;
  }

  /** The values whose count is positive after it was changed. */
  private changed(change: (count: number) => number): Tally {
    const values: number[] = [];
    const counts: number[] = [];
    for (let i = 0; i < this.size; i++) {
      const count = change(this.counts[i] as number);
      if (count <= 0) continue;
      values.push(this.values[i] as number);
      counts.push(count);
    }
    return new Tally(values, counts);
  }

  /** Where the value is, or would be. Hashes lie evenly: one is about as far along as it is large. */
  private placeOf(value: number): number {
    const { values } = this;
    let at = Math.min(values.length, Math.floor((value / HASHES) * values.length));
    while (at < values.length && (values[at] as number) < value) at++;
    while (at > 0 && (values[at - 1] as number) >= value) at--;
    return at;
  }

  /** With values that are not known yet, in any order, any as often as it came. */
  private static merged(
    known: readonly number[],
    knownCounts: readonly number[],
    unknown: number[],
  ): Tally {
    unknown.sort((a, b) => a - b);
    const values = new Array<number>(known.length + unknown.length);
    const counts = new Array<number>(known.length + unknown.length);
    let from = 0;
    let to = 0;
    for (let i = 0; i < unknown.length; ) {
      const value = unknown[i] as number;
      for (; from < known.length && (known[from] as number) < value; from++) {
        values[to] = known[from] as number;
        counts[to++] = knownCounts[from] as number;
      }
      const first = i;
      do i++;
      while (unknown[i] === value);
      values[to] = value;
      counts[to++] = i - first;
    }
    for (; from < known.length; from++) {
      values[to] = known[from] as number;
      counts[to++] = knownCounts[from] as number;
    }
    values.length = to;
    counts.length = to;
    return new Tally(values, counts);
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
    const values: number[] = [];
    const counts: number[] = [];
    for (let i = 0; i < size; i++) {
      const value = reader.u32();
      assert(i === 0 || (values[i - 1] as number) < value, "a tally is in order");
      values.push(value);
      counts.push(reader.varint());
    }
    return new Tally(values, counts);
  }
}
