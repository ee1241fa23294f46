import assert from "node:assert/strict";
import { sealEnvelope } from "./envelope.ts";
import { aggregateKey, type Checkpoint, type StateStore, sweepKey } from "./store.ts";

const envelope = (text: string, wakeAtMs: number | null = null): Buffer =>
  sealEnvelope(Buffer.from(text), 1, wakeAtMs);

const checkpoint = (changelogOffset: number): Checkpoint => ({
  clusterId: "cluster-1",
  changelogOffset,
  inputOffsets: { "t.deposits": changelogOffset },
  writtenAtMs: 1_700_000_000_000,
});

const write = (store: StateStore, at: number, changes: Record<string, Buffer | null>) =>
  store.write(new Map(Object.entries(changes)), checkpoint(at));

const textOf = (store: StateStore, key: string): string | undefined => {
  const bytes = store.get(key);
  return bytes === undefined ? undefined : Buffer.from(bytes).subarray(11).toString();
};

/** What every store keeps to; each case gets a fresh one. */
export const storeBehaviours: Record<string, (store: StateStore) => Promise<void>> = {
  "a fresh store is empty and has no checkpoint": async (store) => {
    assert.equal(store.get("ada"), undefined);
    assert.equal(store.checkpoint(), null);
    assert.equal(store.nextWakeMs(), null);
    assert.deepEqual([...store.entries()], []);
  },
  "a write shows with its checkpoint, and a later one over it": async (store) => {
    await write(store, 2, { ada: envelope("a1"), "bob|é|Дa": envelope("b1") });
    assert.equal(textOf(store, "ada"), "a1");
    assert.equal(textOf(store, "bob|é|Дa"), "b1");
    await write(store, 3, { ada: envelope("a2") });
    assert.equal(textOf(store, "ada"), "a2");
    assert.deepEqual(store.checkpoint(), checkpoint(3));
  },
  "what was read is the reader's, whatever is read and written later": async (store) => {
    await write(store, 1, { ada: envelope("a1"), bob: envelope("b1") });
    const read = store.get("ada");
    assert.equal(textOf(store, "bob"), "b1");
    await write(store, 2, { ada: envelope("a2") });
    assert.equal(textOf(store, "ada"), "a2");
    assert.deepEqual(Buffer.from(read ?? []), envelope("a1"));
  },
  "a forgotten key is gone, also when it was never there": async (store) => {
    await write(store, 1, { ada: envelope("a1", 500), bob: envelope("b1") });
    await write(store, 2, { ada: null, eve: null });
    assert.equal(store.get("ada"), undefined);
    assert.deepEqual(store.due(1_000, 10), []);
    assert.deepEqual(
      [...store.entries()].map(([key]) => key),
      ["bob"],
    );
  },
  "a cleared store is as a fresh one, and can be written again": async (store) => {
    await write(store, 1, { ada: envelope("a1", 500) });
    await store.clear();
    assert.equal(store.get("ada"), undefined);
    assert.equal(store.checkpoint(), null);
    assert.deepEqual(store.due(1_000, 10), []);
    await write(store, 2, { ada: envelope("a2") });
    assert.equal(textOf(store, "ada"), "a2");
  },
  "keys of a prefix come in one order, in parts, without those that are reserved": async (
    store,
  ) => {
    const keys = ["ada", "adam", "ad", "bob", "a|é", "a|я", "a|\u{1F600}", "a|\uffff"];
    const own = { [aggregateKey("ad")]: envelope("x"), [sweepKey("ad")]: envelope("x") };
    await write(store, 1, {
      ...Object.fromEntries(keys.map((key) => [key, envelope(key)])),
      ...own,
    });
    assert.deepEqual(store.keysFrom("ad", null, 10), ["ad", "ada", "adam"]);
    assert.deepEqual(store.keysFrom("x", null, 10), []);
    for (const prefix of ["", "a", "a|"]) {
      const expected = keys.filter((key) => key.startsWith(prefix));
      const found: string[] = [];
      for (let after: string | null = null; ; after = found.at(-1) ?? null) {
        const part = store.keysFrom(prefix, after, 2);
        found.push(...part);
        if (part.length < 2) break;
      }
      assert.deepEqual([...found].sort(), [...expected].sort());
    }
  },
  "many keys in one write, then each is found": async (store) => {
    const keys = Array.from({ length: 5_000 }, (_, at) => `user-${at}`);
    await write(store, 1, Object.fromEntries(keys.map((key) => [key, envelope(key)])));
    for (const key of keys) assert.equal(textOf(store, key), key);
    assert.equal([...store.entries()].length, keys.length);
  },
};

/** What a store for processors that are woken keeps to besides. */
export const wakeBehaviours: Record<string, (store: StateStore) => Promise<void>> = {
  "keys fall due in the order of their times, within the limit": async (store) => {
    const changes = { c: envelope("c", 300), a: envelope("a", 100), b: envelope("b", 200) };
    await write(store, 1, { ...changes, z: envelope("z") });
    assert.deepEqual(store.due(99, 10), []);
    const due = store.due(250, 10);
    assert.deepEqual(due, [
      { key: "a", wakeAtMs: 100 },
      { key: "b", wakeAtMs: 200 },
    ]);
    assert.deepEqual(store.due(250, 1), due.slice(0, 1));
    assert.equal(store.nextWakeMs(), 100);
  },
  "a wake time that moved, either way, or went away is the one that counts": async (store) => {
    const at = (ms: number) => envelope("x", ms);
    await write(store, 1, { later: at(100), sooner: at(900), gone: at(100), stays: at(150) });
    await write(store, 2, { later: at(800), sooner: at(50), gone: envelope("x") });
    await write(store, 3, { later: at(850) });
    const keysDue = (ms: number) => store.due(ms, 10).map(({ key }) => key);
    assert.deepEqual(keysDue(200), ["sooner", "stays"]);
    await write(store, 4, { sooner: null, stays: envelope("x") });
    assert.deepEqual(keysDue(849), []);
    assert.deepEqual(keysDue(850), ["later"]);
    await write(store, 5, { later: at(70) });
    assert.deepEqual(store.due(80, 10), [{ key: "later", wakeAtMs: 70 }]);
  },
  "nothing is due before the next wake time": async (store) => {
    await write(store, 1, { a: envelope("a", 400), b: envelope("b", 700) });
    assert.equal(store.nextWakeMs(), 400);
    await write(store, 2, { a: envelope("a", 600) });
    const next = store.nextWakeMs();
    assert.ok(next !== null && next <= 600);
    assert.deepEqual(store.due(next - 1, 10), []);
  },
};
