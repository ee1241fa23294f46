import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { MemoryStore } from "../state/memory-store.ts";
import type { Checkpoint } from "../state/store.ts";
import { StateOverlay } from "./overlay.ts";

const CHECKPOINT: Checkpoint = {
  clusterId: "c",
  changelogOffset: 0,
  inputOffsets: {},
  writtenAtMs: 0,
};

const kind = {
  codec: {
    version: 1,
    encode: (state: number) => Buffer.from(String(state)),
    decode: (bytes: Uint8Array) => Number(Buffer.from(bytes).toString()),
  },
  prefix: "",
  wakeAtMs: () => null,
};

type Op = { readonly key: string; readonly put: number | null } | "seal" | "land";

const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ key: fc.constantFrom(..."abcdefgh"), put: fc.option(fc.nat()) }),
  },
  { weight: 1, arbitrary: fc.constant("seal" as const) },
  { weight: 1, arbitrary: fc.constant("land" as const) },
);

/** Runs operations on an overlay and on a plain map; the log of changes must rebuild the store. */
function behavesLikeAMap(ops: readonly Op[], cacheEntriesMax: number): void {
  const store = new MemoryStore();
  const overlay = new StateOverlay<number>(kind, store, cacheEntriesMax);
  const model = new Map<string, number>();
  const restored = new MemoryStore();
  let flying: Map<string, Buffer | null> | null = null;
  const land = () => {
    if (flying === null) return;
    store.writeNow(flying, CHECKPOINT);
    restored.writeNow(flying, CHECKPOINT);
    flying = null;
    overlay.landed();
  };
  for (const step of ops) {
    if (step === "seal") {
      land();
      flying = overlay.seal();
    } else if (step === "land") {
      land();
    } else {
      const entry = overlay.entry(step.key);
      assert.equal(entry.state, model.get(step.key) ?? null);
      overlay.put(entry, step.put);
      if (step.put === null) model.delete(step.key);
      else model.set(step.key, step.put);
    }
  }
  land();
  flying = overlay.seal();
  land();
  const expected = [...model].map(([key, value]) => [key, String(value)]);
  const contents = [...restored.entries()].map(([key, sealed]) => [
    key,
    Buffer.from(sealed).subarray(11).toString(),
  ]);
  assert.deepEqual(contents.sort(), expected.sort());
}

test("whatever is written, sealed and landed, a key reads as last put, and the changes rebuild the store", () => {
  const ops = fc.array(op, { maxLength: 60 });
  fc.assert(fc.property(ops, fc.constantFrom(0, 2, 4, 100), behavesLikeAMap));
});

test("many changes of a key are one change of a commit, the last", () => {
  const overlay = new StateOverlay<number>(kind, new MemoryStore(), 10);
  for (const value of [1, 2, 3]) overlay.put(overlay.entry("a"), value);
  overlay.put(overlay.entry("b"), 9);
  overlay.put(overlay.entry("b"), null);
  const changes = overlay.seal();
  assert.deepEqual([...changes.keys()], ["a", "b"]);
  assert.equal(changes.get("a")?.subarray(11).toString(), "3");
  assert.equal(changes.get("b"), null);
});

test("what has landed is let go of two commits later, and read again", () => {
  const store = new MemoryStore();
  const overlay = new StateOverlay<number>(kind, store, 2);
  const first = overlay.entry("first");
  overlay.put(first, 1);
  for (const key of ["a", "b", "c"]) {
    overlay.put(overlay.entry(key), 2);
    store.writeNow(overlay.seal(), CHECKPOINT);
    overlay.landed();
  }
  assert.notEqual(overlay.entry("first"), first);
  assert.equal(overlay.entry("first").state, 1);
});

test("entries of a prefix are in the store under it, beside others of the same keys", () => {
  const store = new MemoryStore();
  const plain = new StateOverlay<number>(kind, store, 10);
  const counts = new StateOverlay<number>({ ...kind, prefix: "n|" }, store, 0);
  plain.put(plain.entry("a"), 1);
  counts.put(counts.entry("a"), 2);
  store.writeNow(counts.seal(plain.seal()), CHECKPOINT);
  counts.landed();
  assert.deepEqual([...store.entries()].map(([key]) => key).sort(), ["a", "n|a"]);
  assert.equal(counts.entry("a").state, 2);
});

test("a key that does not fit the store is an error of ours before anything is written", () => {
  const overlay = new StateOverlay<number>(kind, new MemoryStore(), 10);
  overlay.put(overlay.entry("é".repeat(600)), 1);
  assert.throws(() => overlay.seal(), { code: "VIG_INVARIANT" });
});
