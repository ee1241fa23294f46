import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { KeyTable } from "../segments/key-table.ts";
import { EntryTable } from "../task/entry-table.ts";
import { drawBasis } from "./key-hash.ts";

test("what hashes begin with is another one for each table", () => {
  assert.equal(new Set(Array.from({ length: 64 }, drawBasis)).size, 64);
});

test("tables find what is in them, whatever hashes begin with", () => {
  fc.assert(
    fc.property(fc.integer(), fc.uniqueArray(fc.string({ maxLength: 3 })), (basis, keys) => {
      const entries = new EntryTable<{ key: string }>(basis);
      const table = new KeyTable(basis);
      for (const [at, key] of keys.entries()) {
        entries.add({ key });
        const bytes = Buffer.from(key);
        table.move(table.slotFor(bytes, 0, bytes.length), at, 0);
      }
      for (const [at, key] of keys.entries()) {
        assert.equal(entries.get(key)?.key, key);
        assert.equal(table.addressAt(table.find(key)), at);
      }
    }),
  );
});
