import assert from "node:assert/strict";
import { test } from "vitest";
import type { AnyProcessor } from "../processor.ts";
import { MemoryStore } from "../state/memory-store.ts";
import { isReservedKey } from "../state/store.ts";
import { type LedgerEntry, ledgerProcessor } from "../testing/ledger.ts";
import type { CommitPlan } from "./commit-plan.ts";
import { TableEntries } from "./table-entries.ts";
import { Task } from "./task.ts";

const NOW_MS = 1_700_000_000_000;
const LIMIT = 3;
const CHECKPOINT = { clusterId: "c", changelogOffset: 0, inputOffsets: {}, writtenAtMs: 0 };

/** One partition of the ledger by hand: what is committed, what is lost. */
class Partition {
  readonly store = new MemoryStore();
  readonly amnesties = new TableEntries(processor.globals.amnesties ?? assert.fail());
  readonly woken: string[] = [];
  task = this.open();

  /** A new owner: what was not committed is gone. */
  crash(): void {
    this.task = this.open();
  }

  deposit(user: string): void {
    const value = Buffer.from(JSON.stringify({ id: `e-${user}`, user, amount: 5 }));
    const key = Buffer.from(user);
    const size = key.length + value.length;
    const record = { offset: 0, timestampMs: NOW_MS, key, value, headers: [], size };
    this.task.queue("t.deposits").push([record], 1, 1);
    this.task.run(() => NOW_MS, Number.POSITIVE_INFINITY);
  }

  begin(): CommitPlan {
    return this.task.plan();
  }

  end(plan: CommitPlan): void {
    this.store.writeNow(plan.changelog, CHECKPOINT);
    this.task.landed();
    for (const { key, value } of plan.outputs) {
      const { id } = JSON.parse(String(value)) as LedgerEntry;
      if (id === "woken") this.woken.push(String(key));
    }
  }

  sweep(): void {
    this.task.sweep(NOW_MS, LIMIT);
  }

  private open(): Task {
    return new Task(processor, this.store, {
      partition: 0,
      partitionsOf: () => 1,
      absent: new Set(["t.payments", "t.orders", "t.extras"]),
      lookup: () => undefined,
      hasMark: () => false,
      changeAfter: (table, offset) =>
        table === "amnesties" ? this.amnesties.changeAfter(offset) : null,
      maxTaskIdleMs: 0,
      cacheEntriesMax: 100,
      commitRecordsMax: 1_000,
      processingError: "stop",
    });
  }
}

const processor = ledgerProcessor() as AnyProcessor;
const users = (letter: string, count: number) =>
  Array.from({ length: count }, (_, at) => `${letter}-${at}`);

function withUsers(...names: readonly string[]): Partition {
  const partition = new Partition();
  for (const user of names) partition.deposit(user);
  partition.end(partition.begin());
  return partition;
}

test("a change reaches every state of its prefix, a few at a time, once", () => {
  const partition = withUsers(...users("a", 8), ...users("b", 4));
  partition.amnesties.set("a-", {}, 7);
  for (; partition.task.sweepPending; partition.end(partition.begin())) partition.sweep();
  assert.deepEqual(partition.woken.sort(), users("a", 8));
});

test("states that are on their way to the store are reached, too", () => {
  const partition = withUsers("a-0");
  partition.deposit("a-1");
  const flying = partition.begin();
  partition.deposit("a-2");
  partition.amnesties.set("a", {}, 1);
  partition.sweep();
  partition.end(flying);
  for (; partition.task.hasWork || partition.task.sweepPending; ) {
    if (partition.task.sweepPending) partition.sweep();
    partition.end(partition.begin());
  }
  assert.deepEqual(new Set(partition.woken), new Set(["a-0", "a-1", "a-2"]));
});

test("whichever commits are lost to crashes, every state is reached in the end", () => {
  for (let losses = 0; losses < 2 ** 6; losses++) {
    const partition = withUsers(...users("a", 8), ...users("b", 4));
    partition.amnesties.set("a", {}, 3);
    for (let turn = 0; partition.task.sweepPending; turn++) {
      // The second change comes while the first is under way.
      if (turn === 2) partition.amnesties.set("b", {}, 4);
      partition.sweep();
      const plan = partition.begin();
      if (turn < 6 && ((losses >> turn) & 1) === 1) partition.crash();
      else partition.end(plan);
    }
    assert.deepEqual(partition.woken.sort(), [...users("a", 8), ...users("b", 4)]);
  }
});

test("a change that is written again while it is under way begins anew", () => {
  const partition = withUsers(...users("a", 8));
  partition.amnesties.set("a", {}, 3);
  partition.sweep();
  partition.end(partition.begin());
  partition.amnesties.set("a", {}, 5);
  for (; partition.task.sweepPending; partition.end(partition.begin())) partition.sweep();
  assert.equal(partition.woken.length, LIMIT + 8);
});

test("of changes that are written over and over the newest of each entry is found, in order", () => {
  const { amnesties } = new Partition();
  for (let offset = 0; offset < 1_000; offset++)
    amnesties.set(`k-${(offset * 7) % 10}`, {}, offset);
  const found: number[] = [];
  for (let change = amnesties.changeAfter(-1); change !== null; ) {
    found.push(change.offset);
    change = amnesties.changeAfter(change.offset);
  }
  assert.deepEqual(
    found,
    Array.from({ length: 10 }, (_, at) => 990 + at),
  );
});

test("changes that concern nobody are noted, and nobody is woken", () => {
  const partition = withUsers("a-0");
  for (let offset = 0; offset < 10; offset++) partition.amnesties.set(`z-${offset}`, {}, offset);
  partition.amnesties.delete("z-3", 10);
  let turns = 0;
  for (; partition.task.sweepPending; partition.end(partition.begin())) {
    partition.sweep();
    turns += 1;
  }
  assert.equal(turns, Math.ceil(10 / LIMIT));
  assert.deepEqual(partition.woken, []);
  assert.equal([...partition.store.entries()].filter(([key]) => isReservedKey(key)).length, 2);
});
