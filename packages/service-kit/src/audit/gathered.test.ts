import assert from "node:assert/strict";
import type { NodeId, ReadNodes } from "@vigie/audit-log/proofs";
import { proveInclusion } from "@vigie/audit-log/proofs";
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from "@vigie/audit-log/tree";
import { test } from "vitest";
import { gathered } from "./gathered.ts";

const hashes = Array.from({ length: 100 }, (_, i) => leafHash(Buffer.from(`${i}`)));

function reader() {
  const asked: (readonly NodeId[])[] = [];
  const read: ReadNodes = async (nodes) => {
    asked.push(nodes);
    return nodes.map(({ level, index }) => {
      const first = Number(index) * 2 ** level;
      return rootOf(appendLeaves(EMPTY_FRONTIER, hashes.slice(first, first + 2 ** level)).frontier);
    });
  };
  return { asked, read };
}

const proofsBy = (read: ReadNodes, from: number, to: number) =>
  Promise.all(hashes.slice(from, to).map((_, i) => proveInclusion(BigInt(from + i), 100n, read)));

test("many proofs at once are one read of distinct nodes, and the same as one by one", async () => {
  const { asked, read } = reader();
  const alone = await proofsBy(read, 0, 40);
  const count = asked.flat().length;
  asked.length = 0;
  assert.deepEqual(await proofsBy(gathered(read), 0, 40), alone);
  assert.equal(asked.length, 1);
  const names = asked.flat().map(({ level, index }) => `${level}/${index}`);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length < count / 2);
});

test("what is asked for later is read anew", async () => {
  const { asked, read } = reader();
  const shared = gathered(read);
  const first = await proofsBy(shared, 0, 10);
  const second = await proofsBy(shared, 10, 20);
  assert.equal(asked.length, 2);
  assert.deepEqual([...first, ...second], await proofsBy(read, 0, 20));
});

test("a read that fails fails all that waited for it, and none after it", async () => {
  const { read } = reader();
  let isAway = true;
  const shared = gathered((nodes) => (isAway ? Promise.reject(new Error("away")) : read(nodes)));
  const fates = await Promise.allSettled([
    proveInclusion(1n, 100n, shared),
    proveInclusion(2n, 100n, shared),
  ]);
  assert.deepEqual(
    fates.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  isAway = false;
  assert.equal((await proveInclusion(1n, 100n, shared)).length, 7);
});
