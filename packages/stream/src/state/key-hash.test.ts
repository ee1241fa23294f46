import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { KeyTable } from "../segments/key-table.ts";
import { EntryTable } from "../task/entry-table.ts";
import { drawBasis, FNV_BASIS, hashedWith } from "./key-hash.ts";

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

const hashOf = (key: string, basis: number): number =>
  Buffer.from(key).reduce((hash, byte) => hashedWith(hash, byte), basis);

/** So many pairs of keys of one length that have one hash. */
function twins(count: number, basis: number): (readonly [string, string])[] {
  const seen = new Map<number, string>();
  const found: (readonly [string, string])[] = [];
  for (let user = 10_000_000; found.length < count; user++) {
    const key = `molam-sn|${(user * 7_919).toString(36)}`;
    const hash = hashOf(key, basis);
    const other = seen.get(hash);
    if (other?.length === key.length) found.push([other, key]);
    seen.set(hash, key);
  }
  return found;
}

test("keys chosen for one beginning have one hash with no other, whichever of its bytes differ", () => {
  const pairs = twins(4, FNV_BASIS);
  for (const other of [1, 1 << 8, 1 << 16, 1 << 24, 0x5a5a5a00, 0x12345678]) {
    for (const [a, b] of pairs) {
      assert.notEqual(hashOf(a, FNV_BASIS ^ other), hashOf(b, FNV_BASIS ^ other));
    }
  }
});
