import { assert } from "@vigie/core/assert";
import type { GlobalTable } from "../processor.ts";
import type { GlobalChange } from "./sweeps.ts";

/** A table is held in memory; policies and epochs are a few a tenant. */
const ENTRIES_MAX = 1_000_000;

/** The entries of one global table, and at which offset of its topic each was last changed. */
export class TableEntries {
  readonly values = new Map<string, unknown>();
  private readonly table: GlobalTable<unknown>;
  /** Oldest first, removals too; kept only of a table whose changes wake states. */
  private readonly changes = new Map<string, number>();
  private latest = -1;

  constructor(table: GlobalTable<unknown>) {
    this.table = table;
  }

  set(key: string, value: unknown, offset: number): void {
    assert(this.values.size < ENTRIES_MAX, "a global table is small");
    const before = this.values.get(key);
    this.values.set(key, this.table.fold?.(before, value) ?? value);
    this.note(key, offset);
  }

  delete(key: string, offset: number): void {
    this.values.delete(key);
    this.note(key, offset);
  }

  changeAfter(offset: number): GlobalChange | null {
    if (this.latest <= offset) return null;
    for (const [key, at] of this.changes) if (at > offset) return { key, offset: at };
    return null;
  }

  private note(key: string, offset: number): void {
    if (this.table.wakes === undefined) return;
    this.changes.delete(key);
    this.changes.set(key, offset);
    this.latest = offset;
  }
}
