import { assert } from "@vigie/core/assert";
import type { GlobalTable } from "../processor.ts";
import type { GlobalChange } from "./sweeps.ts";

/** A table is held in memory; policies and epochs are a few a tenant. */
const ENTRIES_MAX = 1_000_000;

/** The entries of one global table, and at which offset of its topic each was last changed. */
export class TableEntries {
  readonly values = new Map<string, unknown>();
  private readonly table: GlobalTable<unknown>;
  /** Of the newest change of each entry, removals too; kept only of a table whose changes wake states. */
  private readonly offsets = new Map<string, number>();
  /** Oldest first, also those that a newer change of their entry has replaced: half of them at most. */
  private changes: GlobalChange[] = [];
  /** How many entries have each mark. */
  private readonly marks = new Map<number, number>();

  constructor(table: GlobalTable<unknown>) {
    this.table = table;
  }

  set(key: string, value: unknown, offset: number): void {
    assert(this.values.size < ENTRIES_MAX, "a global table is small");
    const before = this.values.get(key);
    const next = this.table.fold?.(before, value) ?? value;
    this.countMark(before, -1);
    this.countMark(next, 1);
    this.values.set(key, next);
    this.note(key, offset);
  }

  delete(key: string, offset: number): void {
    this.countMark(this.values.get(key), -1);
    this.values.delete(key);
    this.note(key, offset);
  }

  hasMark(mark: number): boolean {
    return this.marks.has(mark);
  }

  changeAfter(offset: number): GlobalChange | null {
    for (let at = firstAfter(this.changes, offset); at < this.changes.length; at++) {
      const change = this.changes[at];
      if (change !== undefined && this.isNewest(change)) return change;
    }
    return null;
  }

  private countMark(value: unknown, change: number): void {
    if (value === undefined || this.table.mark === undefined) return;
    const mark = this.table.mark(value);
    const count = (this.marks.get(mark) ?? 0) + change;
    if (count === 0) this.marks.delete(mark);
    else this.marks.set(mark, count);
  }

  private note(key: string, offset: number): void {
    if (this.table.wakes === undefined) return;
    this.offsets.set(key, offset);
    this.changes.push({ key, offset });
    if (this.changes.length > 2 * this.offsets.size) {
      this.changes = this.changes.filter((change) => this.isNewest(change));
    }
  }

  private readonly isNewest = ({ key, offset }: GlobalChange): boolean =>
    this.offsets.get(key) === offset;
}

/** Index of the first change behind an offset. */
function firstAfter(changes: readonly GlobalChange[], offset: number): number {
  let low = 0;
  for (let high = changes.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((changes[middle]?.offset ?? 0) > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
