import assert from "node:assert/strict";
import { test } from "vitest";
import { eventHash } from "./event-hash.ts";

test("ids that differ little have hashes that differ, in both halves", () => {
  const ids = Array.from({ length: 200_000 }, (_, n) => `e-${n}`);
  const hashes = ids.map(eventHash);
  assert.equal(new Set(hashes).size, ids.length);
  // Of 200,000 draws among 2^32 some 5 pairs meet by chance; many more would mean a weak half.
  for (const half of [
    hashes.map((hash) => hash >> 32n),
    hashes.map((hash) => hash & 0xffffffffn),
  ]) {
    assert.ok(new Set(half).size > ids.length - 50);
  }
});

test("a hash takes 64 bits and depends on the id alone", () => {
  assert.equal(eventHash("e-1"), eventHash("e-1"));
  for (const id of ["", "e", "é", "x".repeat(128)]) {
    const hash = eventHash(id);
    assert.ok(hash >= 0n && hash < 2n ** 64n);
  }
});
