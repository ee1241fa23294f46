import assert from "node:assert/strict";
import { proveConsistency, proveInclusion } from "@vigie/audit-log/proofs";
import { leafHash as leafHashOfWriter, nodeHash as nodeHashOfWriter } from "@vigie/audit-log/tree";
import { test } from "vitest";
import { createTree, extendsTree, includes, leafHash, nodeHash, subtreeRoot } from "./merkle.mjs";
import { MemoryLog } from "./testing/memory-log.ts";

const log = new MemoryLog();
for (let i = 0; i < 40; i += 1) log.add();
const tree = createTree();
const roots = [tree.root()];
for (const hash of log.hashes) {
  tree.append(hash);
  roots.push(tree.root());
}

test("hashes are those of RFC 6962, with its reference values", () => {
  // Source: transparency-dev/merkle, roots of the reference tree.
  const expected = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  ];
  const reference = createTree();
  assert.equal(reference.root().toString("hex"), expected[0]);
  reference.append(leafHash(""));
  assert.equal(reference.root().toString("hex"), expected[1]);
  for (const text of ["", "é", "x".repeat(65_535)]) {
    assert.deepEqual(leafHash(text), leafHashOfWriter(Buffer.from(text)));
  }
  assert.equal(leafHash("x".repeat(65_536)), null);
  assert.equal(leafHash("é".repeat(32_768)), null);
  const [left, right] = log.hashes as [Buffer, Buffer];
  assert.deepEqual(nodeHash(left, right), nodeHashOfWriter(left, right));
  assert.deepEqual(subtreeRoot(log.hashes.slice(0, 32)), roots[32]);
});

test("every inclusion proof of small trees verifies, for its own leaf and size only", async () => {
  for (let size = 1; size <= 40; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const proof = await proveInclusion(BigInt(index), BigInt(size), log.nodes);
      const claim = {
        index: BigInt(index),
        size: BigInt(size),
        proof,
        root: roots[size] as Buffer,
      };
      assert.ok(includes({ ...claim, hash: log.hashes[index] as Buffer }));
      assert.ok(!includes({ ...claim, hash: log.hashes[(index + 1) % 40] as Buffer }));
      assert.ok(!includes({ ...claim, hash: log.hashes[index] as Buffer, index: claim.size }));
      const longer = [...proof, log.hashes[0] as Buffer];
      assert.ok(!includes({ ...claim, hash: log.hashes[index] as Buffer, proof: longer }));
    }
  }
});

test("every consistency proof of small trees verifies, for its own trees only", async () => {
  for (let second = 1; second <= 40; second += 1) {
    for (let first = 1; first <= second; first += 1) {
      const proof = await proveConsistency(BigInt(first), BigInt(second), log.nodes);
      const sizes = { first: BigInt(first), second: BigInt(second), proof };
      const [firstRoot, secondRoot] = [roots[first] as Buffer, roots[second] as Buffer];
      assert.ok(extendsTree({ ...sizes, firstRoot, secondRoot }));
      assert.ok(!extendsTree({ ...sizes, firstRoot: roots[0] as Buffer, secondRoot }));
      assert.ok(!extendsTree({ ...sizes, firstRoot, secondRoot: roots[0] as Buffer }));
      assert.ok(!extendsTree({ ...sizes, first: 0n, firstRoot, secondRoot }));
    }
  }
});

test("sizes above 2^53 are exact", () => {
  // Leaf 2^60 is the last one of 2^60 + 1: its only sibling is the root of the leaves before it.
  const [hash, before] = log.hashes as [Buffer, Buffer];
  const claim = { index: 2n ** 60n, size: 2n ** 60n + 1n, hash, proof: [before] };
  assert.ok(includes({ ...claim, root: nodeHash(before, hash) }));
  assert.ok(!includes({ ...claim, size: 2n ** 60n + 2n, root: nodeHash(before, hash) }));
  const grown = { first: 2n ** 60n, second: 2n ** 60n + 1n, firstRoot: before, proof: [hash] };
  assert.ok(extendsTree({ ...grown, secondRoot: nodeHash(before, hash) }));
  assert.ok(!extendsTree({ ...grown, first: 2n ** 60n - 1n, secondRoot: nodeHash(before, hash) }));
});
