import assert from "node:assert/strict";
import { createRequire } from "node:module";
import fc from "fast-check";
import { test } from "vitest";
import { AbortedFilter } from "./aborted.ts";
import { filterAbortedMessages } from "./repairs.ts";

interface Message {
  readonly offset: string;
  readonly key: Buffer | null;
  readonly isControlRecord: boolean;
  readonly batchContext: { readonly producerId: string; readonly inTransaction: boolean };
}
type Filter = (fetched: {
  messages: readonly Message[];
  abortedTransactions: readonly { producerId: string; firstOffset: string }[];
}) => readonly Message[];

const load = createRequire(import.meta.url);
const original = unrepaired("kafkajs/src/consumer/filterAbortedMessages.js") as Filter;

/** A module as kafkajs has it, also where its repair is in force already; that stays so. */
function unrepaired(id: string): unknown {
  const path = load.resolve(id);
  const { [path]: held } = load.cache;
  delete load.cache[path];
  const own = load(id);
  if (held !== undefined) load.cache[path] = held;
  return own;
}

const data = (offset: number, producerId: number, key = "k"): Message => ({
  offset: String(offset),
  key: Buffer.from(key),
  isControlRecord: false,
  batchContext: { producerId: String(producerId), inTransaction: true },
});
const marker = (offset: number, producerId: number, type: "abort" | "commit"): Message => ({
  ...data(offset, producerId),
  key: Buffer.from([0, 0, 0, type === "abort" ? 0 : 1]),
  isControlRecord: true,
});
const offsets = (messages: readonly Message[]): number[] =>
  messages.filter(({ isControlRecord }) => !isControlRecord).map(({ offset }) => Number(offset));

// Producers 1 and 2 abort, overlapping; producer 3 commits in between.
const overlapping = {
  messages: [
    data(10, 1),
    data(11, 2),
    data(12, 3),
    data(13, 1),
    marker(14, 2, "abort"),
    data(15, 2),
    marker(16, 1, "abort"),
    marker(17, 3, "commit"),
    marker(18, 2, "commit"),
  ],
  // In the order in which they ended, as the broker lists them.
  abortedTransactions: [
    { producerId: "2", firstOffset: "11" },
    { producerId: "1", firstOffset: "10" },
  ],
};

test("records of two aborted transactions that overlap are left out, later ones are not", () => {
  assert.deepEqual(offsets(filterAbortedMessages(overlapping)), [12, 15]);
});

test("without the repair, kafkajs delivers aborted records of the same fetch", () => {
  assert.notDeepEqual(offsets(original(overlapping)), [12, 15]);
});

test("a data record whose key is 00000000 ends no aborted transaction; without the repair it does", () => {
  const zeros = String.fromCharCode(0, 0, 0, 0);
  const fetched = {
    messages: [data(1, 1), data(2, 1, zeros), data(3, 1), marker(4, 1, "abort")],
    abortedTransactions: [{ producerId: "1", firstOffset: "1" }],
  };
  assert.deepEqual(offsets(filterAbortedMessages(fetched)), []);
  assert.notDeepEqual(offsets(original(fetched)), []);
});

/** A log of interleaved transactions: each step, a producer writes, commits or aborts. */
const steps = fc.array(
  fc.record({
    producer: fc.integer({ min: 1, max: 4 }),
    act: fc.constantFrom("write", "write", "write", "commit", "abort" as const),
  }),
  { minLength: 1, maxLength: 60 },
);

interface Log {
  readonly messages: Message[];
  readonly aborted: { producerId: number; firstOffset: number }[];
  readonly committed: number[];
}

function play(played: readonly { producer: number; act: string }[]): Log {
  const open = new Map<number, number[]>();
  const log: Log = { messages: [], aborted: [], committed: [] };
  const ends = [1, 2, 3, 4].map((producer) => ({ producer, act: "abort" }));
  for (const { producer, act } of [...played, ...ends]) {
    const offset = log.messages.length;
    const own = open.get(producer) ?? [];
    if (act === "write") {
      log.messages.push(data(offset, producer));
      open.set(producer, [...own, offset]);
      continue;
    }
    if (own.length === 0) continue;
    log.messages.push(marker(offset, producer, act === "abort" ? "abort" : "commit"));
    open.delete(producer);
    if (act === "commit") log.committed.push(...own);
    else log.aborted.push({ producerId: producer, firstOffset: own[0] as number });
  }
  log.committed.sort((a, b) => a - b);
  return log;
}

test("whatever the interleaving, exactly the committed records remain", () => {
  fc.assert(
    fc.property(steps, (played) => {
      const log = play(played);
      const abortedTransactions = log.aborted.map(({ producerId, firstOffset }) => ({
        producerId: String(producerId),
        firstOffset: String(firstOffset),
      }));
      const kept = filterAbortedMessages({ messages: log.messages, abortedTransactions });
      assert.deepEqual(offsets(kept), log.committed);
      assert.deepEqual(throughFilter(log), log.committed);
    }),
  );
});

/** The same by record batches, as the fetcher does it. */
function throughFilter(log: Log): number[] {
  const filter = new AbortedFilter(log.aborted);
  const kept: number[] = [];
  for (const message of log.messages) {
    const offset = Number(message.offset);
    const producerId = Number(message.batchContext.producerId);
    if (message.isControlRecord) {
      if (message.key?.[3] === 0) filter.endedBy({ offset, producerId });
    } else if (!filter.covers({ offset, producerId, transactional: true })) kept.push(offset);
  }
  return kept;
}
