import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Consistency,
  type Inclusion,
  proveConsistency,
  proveInclusion,
  type ReadNodes,
  verifyConsistency,
  verifyInclusion,
} from "./proofs.ts";
import {
  naiveConsistency,
  naiveNodes,
  naivePath,
  naiveRoot,
  numbered,
  referenceLeaves,
  referenceRoots,
} from "./testing.ts";
import { leafHash, nodeHash } from "./tree.ts";

const leaves = numbered(300);
const nodes = naiveNodes(leaves);
const roots = Array.from({ length: 301 }, (_, size) => naiveRoot(leaves.slice(0, size)));
const rootOfSize = (size: bigint): Buffer => roots[Number(size)] as Buffer;
const hashOf = (index: bigint): Buffer => leafHash(leaves[Number(index)] as Buffer);

async function inclusion(index: bigint, size: bigint): Promise<Inclusion> {
  const proof = await proveInclusion(index, size, nodes);
  return { index, size, leafHash: hashOf(index), proof, root: rootOfSize(size) };
}

async function consistency(first: bigint, second: bigint): Promise<Consistency> {
  const proof = await proveConsistency(first, second, nodes);
  const [firstRoot, secondRoot] = [rootOfSize(first), rootOfSize(second)];
  return { first, second, firstRoot, secondRoot, proof };
}

/** Two numbers, the first below or at the second. */
const pair = fc
  .tuple(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 300 }))
  .map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) }));

const flipped = (hash: Buffer, bit: number): Buffer => {
  const copy = Buffer.from(hash);
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
  return copy;
};

describe("inclusion", () => {
  /** Source: transparency-dev/merkle, testdata/inclusion/2: leaf 5 of the eight of the reference tree. */
  test("a proof of the reference tree", async () => {
    const proof = [
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ].map((hex) => Buffer.from(hex, "hex"));
    const root = Buffer.from(referenceRoots[8] as string, "hex");
    const leaf = leafHash(referenceLeaves[5] as Buffer);
    expect(await proveInclusion(5n, 8n, naiveNodes(referenceLeaves))).toEqual(proof);
    expect(verifyInclusion({ index: 5n, size: 8n, leafHash: leaf, proof, root })).toBe(true);
  });

  /** Source: RFC 6962, 2.1.3, the tree of seven leaves. */
  test.each([
    [0n, ["b", "h", "l"]],
    [3n, ["c", "g", "l"]],
    [4n, ["f", "j", "k"]],
    [6n, ["i", "k"]],
  ])("the RFC's example: leaf %i", async (index, names) => {
    const proof = await proveInclusion(index, 7n, rfcNodes);
    expect(proof).toEqual(names.map((name) => rfcTree[name]));
  });

  test("is proven and verified for every leaf of every tree of up to 34 leaves", async () => {
    for (let size = 1n; size <= 34n; size += 1n) {
      for (let index = 0n; index < size; index += 1n) {
        const claim = await inclusion(index, size);
        const expected = naivePath(Number(index), leaves.slice(0, Number(size)));
        expect(claim.proof, `leaf ${index} of ${size}`).toEqual(expected);
        expect(verifyInclusion(claim), `leaf ${index} of ${size}`).toBe(true);
      }
    }
  });

  test("is proven and verified in trees of up to 300 leaves", () =>
    fc.assert(
      fc.asyncProperty(pair, async ({ low, high }) => {
        const claim = await inclusion(BigInt(low - 1), BigInt(high));
        expect(claim.proof).toEqual(naivePath(low - 1, leaves.slice(0, high)));
        expect(verifyInclusion(claim)).toBe(true);
      }),
      { numRuns: 150 },
    ));
});

describe("what is no proof of inclusion", () => {
  test("one changed bit, a hash more or fewer, another place: nothing of it verifies", () =>
    fc.assert(
      fc.asyncProperty(pair, fc.nat(255), fc.nat(), async ({ low, high }, bit, place) => {
        const claim = await inclusion(BigInt(low - 1), BigInt(high));
        const { proof, index, size } = claim;
        const at = place % (proof.length + 1);
        const changed: Inclusion[] = [
          { ...claim, root: flipped(claim.root, bit) },
          { ...claim, leafHash: flipped(claim.leafHash, bit) },
          { ...claim, proof: proof.toSpliced(at, 0, claim.leafHash) },
          { ...claim, index: index === 0n ? size - 1n : index - 1n },
          { ...claim, index: -1n },
          { ...claim, index: index + size },
          { ...claim, size: index },
        ];
        if (at < proof.length) {
          changed.push({ ...claim, proof: proof.with(at, flipped(proof[at] as Buffer, bit)) });
          changed.push({ ...claim, proof: proof.toSpliced(at, 1) });
        }
        const verdicts = changed.map((one) => verifyInclusion(one));
        // A tree of one leaf has one place only: there the fourth claim is the right one.
        const expected = changed.map((_, i) => i === 3 && size === 1n);
        expect(verdicts).toEqual(expected);
      }),
      { numRuns: 150 },
    ));

  test("hashes of other lengths verify nothing, and do not throw", async () => {
    const claim = await inclusion(4n, 7n);
    for (const odd of [Buffer.alloc(0), Buffer.alloc(31), Buffer.alloc(33), Buffer.alloc(64)]) {
      expect(verifyInclusion({ ...claim, root: odd })).toBe(false);
      expect(verifyInclusion({ ...claim, leafHash: odd })).toBe(false);
      expect(verifyInclusion({ ...claim, proof: claim.proof.with(0, odd) })).toBe(false);
    }
  });

  test("a node does not pass for a leaf: it is no leaf's hash", async () => {
    const claim = await inclusion(0n, 4n);
    const node = nodeHash(hashOf(0n), hashOf(1n));
    const proof = claim.proof.slice(1);
    expect(verifyInclusion({ ...claim, leafHash: node, proof })).toBe(false);
  });

  test.each([
    [0n, 0n],
    [5n, 5n],
    [6n, 5n],
    [-1n, 5n],
  ])("there is no proof of leaf %i in a tree of %i", (index, size) => {
    expect(() => proveInclusion(index, size, nodes)).toThrow("VIG_AUDIT_PROOF_RANGE");
  });
});

describe("consistency", () => {
  /** Source: transparency-dev/merkle, testdata/consistency/1: from one leaf to eight. */
  test("a proof of the reference tree", async () => {
    const proof = [
      "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ].map((hex) => Buffer.from(hex, "hex"));
    const [firstRoot, secondRoot] = [1, 8].map((size) =>
      Buffer.from(referenceRoots[size] as string, "hex"),
    ) as [Buffer, Buffer];
    expect(await proveConsistency(1n, 8n, naiveNodes(referenceLeaves))).toEqual(proof);
    const claim = { first: 1n, second: 8n, firstRoot, secondRoot, proof };
    expect(verifyConsistency(claim)).toBe(true);
  });

  /** Source: RFC 6962, 2.1.3, the tree of seven leaves. */
  test.each([
    [3n, ["c", "d", "g", "l"]],
    [4n, ["l"]],
    [6n, ["i", "j", "k"]],
  ])("the RFC's example: from %i leaves to 7", async (first, names) => {
    const proof = await proveConsistency(first, 7n, rfcNodes);
    expect(proof).toEqual(names.map((name) => rfcTree[name]));
  });

  test("is proven and verified between all trees of up to 34 leaves", async () => {
    for (let second = 1n; second <= 34n; second += 1n) {
      for (let first = 1n; first <= second; first += 1n) {
        const claim = await consistency(first, second);
        const expected = naiveConsistency(Number(first), leaves.slice(0, Number(second)));
        expect(claim.proof, `${first} to ${second}`).toEqual(expected);
        expect(verifyConsistency(claim), `${first} to ${second}`).toBe(true);
      }
    }
  });

  test("is proven and verified between trees of up to 300 leaves", () =>
    fc.assert(
      fc.asyncProperty(pair, async ({ low, high }) => {
        const claim = await consistency(BigInt(low), BigInt(high));
        expect(claim.proof).toEqual(naiveConsistency(low, leaves.slice(0, high)));
        expect(verifyConsistency(claim)).toBe(true);
      }),
      { numRuns: 150 },
    ));
});

describe("what is no proof of consistency", () => {
  test("a tree is consistent with itself, by a proof without hashes and no other", async () => {
    const claim = await consistency(6n, 6n);
    expect(claim.proof).toEqual([]);
    expect(verifyConsistency({ ...claim, proof: [claim.firstRoot] })).toBe(false);
    expect(verifyConsistency({ ...claim, secondRoot: rootOfSize(5n) })).toBe(false);
  });

  test("one changed bit, a hash more or fewer, another size: nothing of it verifies", () =>
    fc.assert(
      fc.asyncProperty(pair, fc.nat(255), fc.nat(), async ({ low, high }, bit, place) => {
        const claim = await consistency(BigInt(low), BigInt(high));
        const { proof } = claim;
        const at = place % (proof.length + 1);
        const changed: Consistency[] = [
          { ...claim, firstRoot: flipped(claim.firstRoot, bit) },
          { ...claim, secondRoot: flipped(claim.secondRoot, bit) },
          { ...claim, proof: proof.toSpliced(at, 0, claim.firstRoot) },
          { ...claim, first: 0n },
          { ...claim, first: claim.second + 1n },
        ];
        if (at < proof.length) {
          changed.push({ ...claim, proof: proof.with(at, flipped(proof[at] as Buffer, bit)) });
          changed.push({ ...claim, proof: proof.toSpliced(at, 1) });
        }
        expect(changed.map((one) => verifyConsistency(one))).toEqual(changed.map(() => false));
      }),
      { numRuns: 150 },
    ));

  test("a larger tree with the root of the smaller one is no larger tree", async () => {
    const { firstRoot } = await consistency(4n, 7n);
    const claim = { first: 4n, firstRoot, secondRoot: firstRoot, proof: [] };
    expect(verifyConsistency({ ...claim, second: 4n })).toBe(true);
    for (const second of [5n, 7n, 8n, 300n]) {
      expect(verifyConsistency({ ...claim, second })).toBe(false);
    }
  });

  test("hashes of other lengths verify nothing, and do not throw", async () => {
    const claim = await consistency(3n, 7n);
    for (const odd of [Buffer.alloc(0), Buffer.alloc(31), Buffer.alloc(33)]) {
      expect(verifyConsistency({ ...claim, firstRoot: odd })).toBe(false);
      expect(verifyConsistency({ ...claim, secondRoot: odd })).toBe(false);
      expect(verifyConsistency({ ...claim, proof: claim.proof.with(0, odd) })).toBe(false);
    }
    const same = { first: 3n, second: 3n, firstRoot: Buffer.alloc(1), secondRoot: Buffer.alloc(1) };
    expect(verifyConsistency({ ...same, proof: [] })).toBe(false);
  });

  test("a fork is not consistent: another leaf before the end of the first tree", async () => {
    const other = leaves.with(2, Buffer.from("another"));
    const proof = await proveConsistency(5n, 9n, naiveNodes(other));
    const secondRoot = naiveRoot(other.slice(0, 9));
    const claim = { first: 5n, second: 9n, firstRoot: rootOfSize(5n), secondRoot, proof };
    expect(verifyConsistency(claim)).toBe(false);
  });

  test.each([
    [0n, 0n],
    [0n, 5n],
    [-1n, 5n],
    [6n, 5n],
  ])("there is no proof from %i to %i leaves", (first, second) => {
    expect(() => proveConsistency(first, second, nodes)).toThrow("VIG_AUDIT_PROOF_RANGE");
    const [firstRoot, secondRoot] = [rootOfSize(0n), rootOfSize(5n)];
    expect(verifyConsistency({ first, second, firstRoot, secondRoot, proof: [] })).toBe(false);
  });
});

/** The tree of RFC 6962, 2.1.3: a to f and j are the hashes of leaves 0 to 6. */
const rfcTree: Record<string, Buffer> = (() => {
  const [a, b, c, d, e, f, j] = [0n, 1n, 2n, 3n, 4n, 5n, 6n].map(hashOf) as [
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
    Buffer,
  ];
  const [g, h, i] = [nodeHash(a, b), nodeHash(c, d), nodeHash(e, f)];
  return { a, b, c, d, e, f, j, g, h, i, k: nodeHash(g, h), l: nodeHash(i, j) };
})();
const rfcNodes: ReadNodes = naiveNodes(leaves.slice(0, 7));
