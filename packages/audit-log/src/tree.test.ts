import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { naiveRoot, numbered, referenceLeaves, referenceRoots } from "./testing.ts";
import {
  appendLeaves,
  EMPTY_FRONTIER,
  EMPTY_ROOT,
  type Frontier,
  leafHash,
  nodeHash,
  rootOf,
} from "./tree.ts";

const grown = (leaves: readonly Buffer[], from: Frontier = EMPTY_FRONTIER) =>
  appendLeaves(from, leaves.map(leafHash));

test("the roots of the reference tree, leaf by leaf", () => {
  let frontier = EMPTY_FRONTIER;
  const roots = [rootOf(frontier)];
  for (const leaf of referenceLeaves) {
    frontier = grown([leaf], frontier).frontier;
    roots.push(rootOf(frontier));
  }
  expect(roots.map((root) => root.toString("hex"))).toEqual(referenceRoots);
});

test("the empty tree has the hash of nothing", () => {
  expect(EMPTY_ROOT.toString("hex")).toBe(referenceRoots[0]);
  expect(rootOf(EMPTY_FRONTIER)).toEqual(EMPTY_ROOT);
});

test("a tree of one leaf has the leaf's hash as its root, which is not the hash of its data", () => {
  const { frontier } = grown([Buffer.from("one")]);
  expect(rootOf(frontier)).toEqual(leafHash(Buffer.from("one")));
  expect(frontier).toEqual({ size: 1n, hashes: [leafHash(Buffer.from("one"))] });
});

describe("hashes", () => {
  test("stand for themselves: what is hashed after does not change them", () => {
    const [one, other] = [leafHash(Buffer.from("one")), leafHash(Buffer.from("other"))];
    const copies = [Buffer.from(one), Buffer.from(other)];
    nodeHash(one, other);
    leafHash(Buffer.alloc(70_000, 7));
    expect([one, other]).toEqual(copies);
  });

  test.each([0, 1, 65_535, 65_536, 65_537, 200_000])("a leaf of %i bytes", (bytes) => {
    const data = Buffer.alloc(bytes, 0xa5);
    expect(leafHash(data)).toEqual(naiveRoot([data]));
  });

  test("a node of anything but two hashes is refused", () => {
    const hash = leafHash(Buffer.of(1));
    expect(() => nodeHash(hash.subarray(1), hash)).toThrow("VIG_INVARIANT");
    expect(() => nodeHash(hash, Buffer.concat([hash, hash]))).toThrow("VIG_INVARIANT");
  });
});

test("every size up to 300, and some around greater powers of two, has the root of the definition", () => {
  const leaves = numbered(1_026);
  const sizes = [...Array(301).keys(), 511, 512, 513, 1_023, 1_024, 1_025];
  for (const size of sizes) {
    const { frontier } = grown(leaves.slice(0, size));
    expect(frontier.size).toBe(BigInt(size));
    expect(rootOf(frontier), `size ${size}`).toEqual(naiveRoot(leaves.slice(0, size)));
  }
});

test("batches of any sizes grow the same tree, and no batch changes the one before", () => {
  const leaves = numbered(600);
  fc.assert(
    fc.property(fc.array(fc.nat(150), { maxLength: 6 }), (batches) => {
      let frontier = EMPTY_FRONTIER;
      let at = 0;
      for (const count of batches) {
        const before = { ...frontier, hashes: [...frontier.hashes] };
        const next = grown(leaves.slice(at, at + count), frontier).frontier;
        expect(frontier).toEqual(before);
        frontier = next;
        at = Math.min(leaves.length, at + count);
      }
      expect(rootOf(frontier)).toEqual(naiveRoot(leaves.slice(0, at)));
    }),
    { numRuns: 60 },
  );
});

test("the roots of full tiles are told as they become full", () => {
  const leaves = numbered(700);
  const first = grown(leaves.slice(0, 300));
  const second = grown(leaves.slice(300), first.frontier);
  const roots = [...first.tileRoots, ...second.tileRoots];
  expect(roots.map(({ level, index }) => `${level}/${index}`)).toEqual(["8/0", "8/1"]);
  expect(roots[1]?.hash).toEqual(naiveRoot(leaves.slice(256, 512)));
});

test("a tree of 65,536 leaves fills a tile of tiles", () => {
  const { tileRoots, frontier } = grown(numbered(65_536));
  expect(tileRoots).toHaveLength(257);
  expect(tileRoots.at(-1)).toEqual({ level: 16, index: 0n, hash: rootOf(frontier) });
});

test("a tree grows beyond 2^53 leaves", () => {
  // Given a tree of 2^60 - 1 leaves, of which only the 60 roots are known
  const hashes = numbered(60).map(leafHash);
  const frontier = { size: 2n ** 60n - 1n, hashes };
  // When one leaf more is appended
  const leaf = leafHash(Buffer.from("last"));
  const { frontier: grown, tileRoots } = appendLeaves(frontier, [leaf]);
  // Then it is one perfect tree
  const root = hashes.reduceRight((right, left) => nodeHash(left, right), leaf);
  expect(grown).toEqual({ size: 2n ** 60n, hashes: [root] });
  expect(tileRoots.map(({ level }) => level)).toEqual([8, 16, 24, 32, 40, 48, 56]);
  expect(tileRoots[0]?.index).toBe(2n ** 52n - 1n);
});

test("a frontier with a hash too many or too few is refused", () => {
  const { frontier } = grown(numbered(5));
  const short = { ...frontier, hashes: frontier.hashes.slice(1) };
  const wrong = { ...frontier, size: 7n };
  const long = { ...frontier, size: 4n };
  for (const broken of [short, wrong, long, { size: -1n, hashes: [] }]) {
    expect(() => rootOf(broken)).toThrow("VIG_INVARIANT");
    expect(() => appendLeaves(broken, [leafHash(Buffer.of(1))])).toThrow("VIG_INVARIANT");
  }
});
