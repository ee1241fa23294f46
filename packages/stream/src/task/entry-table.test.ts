import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { FNV_BASIS } from "../state/key-hash.ts";
import { EntryTable } from "./entry-table.ts";

const key = fc.oneof(
  fc.string({ maxLength: 3 }),
  fc.nat({ max: 500 }).map((user) => `acme|u-${user}`),
);

test("finds what a Map finds, through growth and clearing", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof({ weight: 200, arbitrary: key }, fc.constant(null))), (steps) => {
      const table = new EntryTable<{ key: string }>();
      const model = new Map<string, object>();
      for (const step of steps) {
        if (step === null) {
          table.clear();
          model.clear();
          continue;
        }
        assert.equal(table.get(step), model.get(step));
        if (model.has(step)) continue;
        const entry = { key: step };
        table.add(entry);
        model.set(step, entry);
      }
      assert.equal(table.size, model.size);
      for (const [name, entry] of model) assert.equal(table.get(name), entry);
    }),
    { numRuns: 200 },
  );
});

test("keys of one hash are told apart", () => {
  // Begun with FNV_BASIS both have 0x0d4c7f76; found by search.
  const entries = [{ key: "t0|1enwk4z" }, { key: "t0|18zr0pk" }];
  const table = new EntryTable<{ key: string }>(FNV_BASIS);
  for (const entry of entries) table.add(entry);
  for (const entry of entries) assert.equal(table.get(entry.key), entry);
});

test("a hundred thousand keys are found after a hundred thousand others were not", () => {
  const table = new EntryTable<{ key: string }>();
  const entries = Array.from({ length: 100_000 }, (_, user) => ({ key: `acme|usr_${user}` }));
  for (const entry of entries) table.add(entry);
  for (let user = 0; user < 100_000; user++) {
    assert.equal(table.get(`beta|usr_${user}`), undefined);
    assert.equal(table.get(`acme|usr_${user}`), entries[user]);
  }
});
