import assert from "node:assert/strict";
import { test } from "vitest";
import { sealEnvelope } from "../state/envelope.ts";
import { MemoryStore } from "../state/memory-store.ts";
import type { Checkpoint } from "../state/store.ts";
import { memoryBackend } from "../testing/memory-backend.ts";
import { MemoryBroker } from "../testing/memory-broker.ts";
import { type RestoreSource, restoreStore } from "./restore.ts";

const NOW_MS = 1_700_000_000_000;
const TOPIC = "changelog";
const state = (text: string): Buffer => sealEnvelope(Buffer.from(text), 1, null);

/** A changelog of ada=1, bob=1, ada=2, bob forgotten, eve=1; offsets 0 to 4. */
function setUp(checkpoint: Partial<Checkpoint> | null) {
  const broker = new MemoryBroker();
  broker.createTopic(TOPIC, 1);
  const log: [string, string | null][] = [
    ["ada", "1"],
    ["bob", "1"],
    ["ada", "2"],
    ["bob", null],
    ["eve", "1"],
  ];
  for (const [key, text] of log) {
    broker.produce(TOPIC, { key, partition: 0, value: text === null ? null : state(text) });
  }
  const store = new MemoryStore();
  if (checkpoint !== null) {
    const whole = {
      clusterId: "memory",
      changelogOffset: 3,
      inputOffsets: {},
      writtenAtMs: NOW_MS,
    };
    const kept = new Map([
      ["ada", state("from the store")],
      ["bob", state("1")],
    ]);
    store.writeNow(kept, { ...whole, ...checkpoint });
  }
  const { reader } = memoryBackend(broker);
  const about = { topic: TOPIC, partition: 0, low: 0, end: 5, clusterId: "memory" };
  const source: RestoreSource = { reader, ...about, nowMs: NOW_MS + 1_000 };
  return { broker, source, store };
}

const contents = (store: MemoryStore) =>
  Object.fromEntries(
    [...store.entries()].map(([key, sealed]) => [key, Buffer.from(sealed).subarray(11).toString()]),
  );

test("a store that fits is brought up to date from where it stands", async () => {
  const { source, store } = setUp({});
  const progress: { done: number; total: number }[] = [];
  assert.equal(await restoreStore(store, source, (at) => progress.push(at)), false);
  assert.deepEqual(contents(store), { ada: "from the store", eve: "1" });
  assert.equal(store.checkpoint()?.changelogOffset, 5);
  assert.deepEqual(progress.at(-1), { done: 2, total: 2 });
});

test("a store at the end is left as it is, however old, with the input offsets that it knows", async () => {
  const ended = { changelogOffset: 5, inputOffsets: { "t.deposits": 7 }, writtenAtMs: 0 };
  const { source, store } = setUp(ended);
  assert.equal(await restoreStore(store, source, () => {}), false);
  assert.deepEqual(store.checkpoint()?.inputOffsets, { "t.deposits": 7 });
});

for (const [what, checkpoint, low] of [
  ["no store", null, 0],
  ["a store of another cluster", { clusterId: "other" }, 0],
  ["a store that is ahead of the changelog", { changelogOffset: 6 }, 0],
  ["a store older than tombstones are kept", { writtenAtMs: NOW_MS - 21 * 3_600_000 }, 0],
  ["a store whose tail is gone", { changelogOffset: 0 }, 2],
] as const) {
  test(`${what} is rebuilt from the whole changelog`, async () => {
    const { source, store } = setUp(checkpoint);
    assert.equal(await restoreStore(store, { ...source, low }, () => {}), true);
    assert.deepEqual(contents(store), { ada: "2", eve: "1" });
    assert.equal(store.checkpoint()?.changelogOffset, 5);
  });
}

test("an empty changelog empties the store and leaves a checkpoint", async () => {
  const { source, store } = setUp({ changelogOffset: 3 });
  assert.equal(await restoreStore(store, { ...source, end: 0 }, () => {}), true);
  assert.deepEqual(contents(store), {});
  assert.equal(store.checkpoint()?.changelogOffset, 0);
});
