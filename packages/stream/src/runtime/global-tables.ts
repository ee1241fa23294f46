import { assert } from "@vigie/core/assert";
import type { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Following } from "../kafka/lone-reader.ts";
import type { FetchedRecord } from "../kafka/types.ts";
import type { GlobalTable } from "../processor.ts";
import type { Backend } from "./backend.ts";

export interface GlobalTablesOptions {
  readonly backend: Backend;
  /** Physical name and partition count of each table's topic; a missing optional one has none. */
  readonly topics: ReadonlyMap<string, { readonly topic: string; readonly partitions: number }>;
  readonly tables: Readonly<Record<string, GlobalTable<unknown>>>;
  readonly log: Logger;
  readonly failed: (error: VigError) => void;
}

/** A table is held in memory; policies and epochs are a few a tenant. */
const ENTRIES_MAX = 1_000_000;

/** Compacted topics, read whole at `open` and followed after; looked up by key. */
export class GlobalTables {
  private readonly options: GlobalTablesOptions;
  private readonly values = new Map<string, Map<string, unknown>>();
  private readonly following: Following[] = [];
  /** Records are applied one after another, also when one waits for its schema. */
  private applied: Promise<void> = Promise.resolve();

  private constructor(options: GlobalTablesOptions) {
    this.options = options;
    for (const name of Object.keys(options.tables)) this.values.set(name, new Map());
  }

  static async open(options: GlobalTablesOptions): Promise<GlobalTables> {
    const tables = new GlobalTables(options);
    await Promise.all([...options.topics.keys()].map((name) => tables.openTable(name)));
    return tables;
  }

  readonly lookup = (table: string, key: string): unknown => {
    const values = this.values.get(table);
    assert(values !== undefined, "a global table is one that the processor names");
    return values.get(key);
  };

  close(): void {
    for (const following of this.following) following.stop();
  }

  private async openTable(name: string): Promise<void> {
    const { backend, topics, failed } = this.options;
    const { topic, partitions } = topics.get(name) ?? { topic: "", partitions: 0 };
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
    });
  }

  private async apply(name: string, record: FetchedRecord): Promise<void> {
    const { topic, partition, offset, key, value } = record;
    const values = this.values.get(name);
    const decoder = this.options.tables[name]?.decoder;
    if (key === null || values === undefined || decoder === undefined) return;
    if (value === null) {
      values.delete(key.toString("utf8"));
      return;
    }
    let outcome = decoder.decode(value);
    while (outcome.kind === "later") {
      await outcome.ready;
      outcome = decoder.decode(value);
    }
    if (outcome.kind === "ok") {
      assert(values.size < ENTRIES_MAX, "a global table is small");
      values.set(key.toString("utf8"), outcome.value);
    } else {
      // The entry before stays: a policy that cannot be read must not become no policy.
      this.options.log.error(
        { topic, partition, offset, outcome: outcome.kind },
        "global.unreadable",
      );
    }
  }
}
