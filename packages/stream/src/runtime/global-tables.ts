import { assert } from "@vigie/core/assert";
import type { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Following } from "../kafka/lone-reader.ts";
import type { FetchedRecord } from "../kafka/types.ts";
import type { GlobalTable } from "../processor.ts";
import type { ChangeAfter } from "../task/sweeps.ts";
import { TableEntries } from "../task/table-entries.ts";
import type { Backend } from "./backend.ts";

export interface GlobalTablesOptions {
  readonly backend: Pick<Backend, "reader">;
  /** Physical name and partition count of each table's topic; a missing optional one has none. */
  readonly topics: ReadonlyMap<string, { readonly topic: string; readonly partitions: number }>;
  readonly tables: Readonly<Record<string, GlobalTable<unknown>>>;
  readonly log: Logger;
  readonly failed: (error: VigError) => void;
}

/** Compacted topics, read whole at `open` and followed after; looked up by key. */
export class GlobalTables {
  private readonly options: GlobalTablesOptions;
  private readonly entries = new Map<string, TableEntries>();
  private readonly listeners = new Set<() => void>();
  private readonly following: Following[] = [];
  /** Records are applied one after another, also when one waits for its schema. */
  private applied: Promise<void> = Promise.resolve();

  private constructor(options: GlobalTablesOptions) {
    this.options = options;
    for (const [name, table] of Object.entries(options.tables)) {
      this.entries.set(name, new TableEntries(table));
    }
  }

  static async open(options: GlobalTablesOptions): Promise<GlobalTables> {
    const tables = new GlobalTables(options);
    await Promise.all([...options.topics.keys()].map((name) => tables.openTable(name)));
    return tables;
  }

  readonly lookup = (table: string, key: string): unknown => this.of(table).values.get(key);

  readonly hasMark = (table: string, mark: number): boolean => this.of(table).hasMark(mark);

  readonly changeAfter: ChangeAfter = (table, offset) => this.of(table).changeAfter(offset);

  /** Calls back after changes, until the answer is called. */
  readonly onChange = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  close(): void {
    for (const following of this.following) following.stop();
  }

  private async openTable(name: string): Promise<void> {
    const { backend, topics, failed } = this.options;
    const { topic, partitions } = topics.get(name) ?? { topic: "", partitions: 0 };
    const inOrder = partitions <= 1 || this.options.tables[name]?.wakes === undefined;
    assert(inOrder, "a table that wakes states has its changes in one partition");
    const all = Array.from({ length: partitions }, (_, partition) => partition);
    const ends = await Promise.all(
      all.map((partition) =>
        backend.reader.read({ topic, partition, from: "earliest", to: "end" }, (records) =>
          this.take(name, records),
        ),
      ),
    );
    await this.applied;
    const targets = all.map((partition) => ({ topic, partition, from: ends[partition] ?? 0 }));
    const on = { records: (records: readonly FetchedRecord[]) => this.take(name, records), failed };
    this.following.push(await backend.reader.follow(targets, on));
  }

  private take(name: string, records: readonly FetchedRecord[]): void {
    if (records.length === 0) return;
    this.applied = this.applied.then(async () => {
      for (const record of records) await this.apply(name, record);
      for (const listener of this.listeners) listener();
    });
  }

  private of(table: string): TableEntries {
    const entries = this.entries.get(table);
    assert(entries !== undefined, "a global table is one that the processor names");
    return entries;
  }

  private async apply(name: string, record: FetchedRecord): Promise<void> {
    const { topic, partition, offset, key, value } = record;
    const entries = this.of(name);
    const decoder = this.options.tables[name]?.decoder;
    if (key === null || decoder === undefined) return;
    if (value === null) {
      entries.delete(key.toString("utf8"), offset);
      return;
    }
    let outcome = decoder.decode(value);
    while (outcome.kind === "later") {
      await outcome.ready;
      outcome = decoder.decode(value);
    }
    if (outcome.kind === "ok") {
      entries.set(key.toString("utf8"), outcome.value, offset);
    } else {
      // The entry before stays: a policy that cannot be read must not become no policy.
      this.options.log.error(
        { topic, partition, offset, outcome: outcome.kind },
        "global.unreadable",
      );
    }
  }
}
