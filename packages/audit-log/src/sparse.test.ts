import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type NodeId,
  proveConsistency,
  proveInclusion,
  type ReadNodes,
  rootAt,
  verifyConsistency,
  verifyInclusion,
} from "./proofs.ts";
import { leafHash, nodeHash } from "./tree.ts";

/** Trees too large to be there: every leaf is the same but a few. */

const plain = leafHash(Buffer.from("plain"));
/** By level: the root of a perfect subtree of plain leaves. */
const plainRoots = Array.from({ length: 64 }).reduce<Buffer[]>(
  (known) => [...known, nodeHash(known.at(-1) as Buffer, known.at(-1) as Buffer)],
  [plain],
);

function sparseNode({ level, index }: NodeId, special: ReadonlyMap<bigint, Buffer>): Buffer {
  const [start, end] = [index << BigInt(level), (index + 1n) << BigInt(level)];
  const isPlain = ![...special.keys()].some((at) => at >= start && at < end);
  if (isPlain) return plainRoots[level] as Buffer;
  if (level === 0) return special.get(index) as Buffer;
  const child = (side: bigint) =>
    sparseNode({ level: level - 1, index: 2n * index + side }, special);
  return nodeHash(child(0n), child(1n));
}

const readerOf =
  (special: ReadonlyMap<bigint, Buffer>): ReadNodes =>
  (nodes) =>
    Promise.resolve(nodes.map((node) => sparseNode(node, special)));

const marked = (...indexes: readonly bigint[]): Map<bigint, Buffer> =>
  new Map(indexes.map((index) => [index, leafHash(Buffer.from(`special ${index}`))]));

const SIZES = [
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 53n + 2n,
  2n ** 60n,
  2n ** 63n - 1n,
];

test.each(SIZES)("the last leaf of a tree of %i leaves", async (size) => {
  const index = size - 1n;
  const special = marked(index);
  const read = readerOf(special);
  const [proof, root] = [await proveInclusion(index, size, read), await rootAt(size, read)];
  const leaf = special.get(index) as Buffer;
  expect(verifyInclusion({ index, size, leafHash: leaf, proof, root })).toBe(true);
  // A neighbour whose number is the same as a double is another leaf.
  expect(verifyInclusion({ index: index - 1n, size, leafHash: leaf, proof, root })).toBe(false);
  const grown = { index, size: size + 1n, leafHash: leaf, proof, root };
  expect(verifyInclusion(grown)).toBe(false);
});

const large = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });

test("any leaf of any tree of up to 2^63 leaves", () =>
  fc.assert(
    fc.asyncProperty(large, large, fc.nat(62), async (a, b, bit) => {
      const [index, size] = a < b ? [a, b] : [b - 1n, a];
      const special = marked(index);
      const read = readerOf(special);
      const [proof, root] = [await proveInclusion(index, size, read), await rootAt(size, read)];
      const leaf = special.get(index) as Buffer;
      const claim = { index, size, leafHash: leaf, proof, root };
      expect(verifyInclusion(claim)).toBe(true);
      const elsewhere = { ...claim, index: index ^ (1n << BigInt(bit)) };
      expect(verifyInclusion(elsewhere)).toBe(false);
    }),
    { numRuns: 60 },
  ));

test("any two trees of up to 2^63 leaves, and a leaf changed before the end of the first", () =>
  fc.assert(
    fc.asyncProperty(large, large, async (a, b) => {
      const [first, second] = a < b ? [a, b] : [b, a];
      const read = readerOf(marked(0n, first - 1n, second - 1n));
      const firstRoot = await rootAt(first, read);
      const secondRoot = await rootAt(second, read);
      const proof = await proveConsistency(first, second, read);
      const claim = { first, second, firstRoot, secondRoot, proof };
      expect(verifyConsistency(claim)).toBe(true);
      if (first === 1n || first === second) return;
      const forked = readerOf(marked(first - 1n, second - 1n));
      const fork = {
        ...claim,
        secondRoot: await rootAt(second, forked),
        proof: await proveConsistency(first, second, forked),
      };
      expect(verifyConsistency(fork)).toBe(false);
    }),
    { numRuns: 60 },
  ));

test("a proof reads once, and no more nodes than the tree has levels, squared", async () => {
  const asked: (readonly NodeId[])[] = [];
  const read: ReadNodes = (nodes) => {
    asked.push(nodes);
    return readerOf(new Map())(nodes);
  };
  await proveConsistency(2n ** 53n + 7n, 2n ** 63n - 1n, read);
  expect(asked).toHaveLength(1);
  expect(asked[0]?.length).toBeLessThan(64 * 2);
});
