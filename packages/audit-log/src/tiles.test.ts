import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { proveConsistency, proveInclusion, rootAt, verifyConsistency } from "./proofs.ts";
import { naivePath, naiveRoot, numbered } from "./testing.ts";
import {
  decodeEntries,
  encodeEntries,
  entriesPath,
  nodesFromTiles,
  parseTilePath,
  placeOf,
  type ReadTiles,
  rootOfHashes,
  splitHashes,
  type TileId,
  tilePath,
  tilesBetween,
  tileWidth,
} from "./tiles.ts";
import { leafHash } from "./tree.ts";

describe("paths", () => {
  /** Source: C2SP tlog-tiles, Merkle Tree. */
  test("the specification's example", () => {
    expect(tilePath(0, 1_234_067n)).toBe("tile/0/x001/x234/067");
    expect(entriesPath(1_234_067n)).toBe("tile/entries/x001/x234/067");
  });

  test.each([
    [0, 0n, 256, "tile/0/000"],
    [0, 999n, 256, "tile/0/999"],
    [1, 1_000n, 256, "tile/1/x001/000"],
    [2, 0n, 17, "tile/2/000.p/17"],
    [6, 2n ** 53n + 1n, 256, "tile/6/x009/x007/x199/x254/x740/993"],
  ])("level %i, index %i, width %i", (level, index, width, path) => {
    expect(tilePath(level, index, width)).toBe(path);
    expect(parseTilePath(path)).toEqual({ kind: "hashes", level, index, width });
  });

  const anyIndex = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const anyWidth = fc.integer({ min: 1, max: 256 });
  test("every path is read as what it was made of", () => {
    fc.assert(
      fc.property(fc.nat(63), anyIndex, anyWidth, (level, index, width) => {
        const hashes = parseTilePath(tilePath(level, index, width));
        expect(hashes).toEqual({ kind: "hashes", level, index, width });
        expect(parseTilePath(entriesPath(index, width))).toEqual({ kind: "entries", index, width });
      }),
    );
  });

  test.each([
    "tile/64/000",
    "tile/00/000",
    "tile/-1/000",
    "tile/0/0",
    "tile/0/0000",
    "tile/0/x000/001",
    "tile/0/001/002",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/01",
    "tile/0/000/",
    "/tile/0/000",
    "tile/entries/../000",
    "tile/0/000\n",
    "checkpoint",
    "",
  ])("%j is the path of no tile", (path) => {
    expect(parseTilePath(path)).toBeNull();
  });
});

describe("which tiles a tree has", () => {
  const named = (tiles: Iterable<TileId>) =>
    [...tiles].map(({ level, index, width }) => tilePath(level, index, width));

  /** Source: C2SP tlog-tiles, Partial Tiles: the tree of 70,000 leaves, and that of 256. */
  test("the specification's examples", () => {
    const tiles = [...tilesBetween(0n, 70_000n)];
    const full = (level: number) =>
      tiles.filter((tile) => tile.level === level && tile.width === 256).length;
    expect([full(0), full(1), full(2)]).toEqual([273, 1, 0]);
    expect(tiles.filter(({ width }) => width < 256)).toEqual([
      { level: 0, index: 273n, width: 112 },
      { level: 1, index: 1n, width: 17 },
      { level: 2, index: 0n, width: 1 },
    ]);
    expect(named(tilesBetween(0n, 256n))).toEqual(["tile/0/000", "tile/1/000.p/1"]);
  });

  test.each([
    [0n, 0n, []],
    [0n, 1n, ["tile/0/000.p/1"]],
    [5n, 5n, []],
    [5n, 6n, ["tile/0/000.p/6"]],
    [255n, 257n, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]],
    [256n, 257n, ["tile/0/001.p/1"]],
    [511n, 512n, ["tile/0/001", "tile/1/000.p/2"]],
  ])("growing from %i to %i leaves", (from, to, paths) => {
    expect(named(tilesBetween(from, to))).toEqual(paths);
  });

  test("of a level that the tree has not yet, or beyond its end, nothing", () => {
    expect(tileWidth(1, 0n, 255n)).toBe(0);
    expect(tileWidth(0, 2n, 512n)).toBe(0);
    expect(tileWidth(0, 1n, 300n)).toBe(44);
  });

  test("tilesBetween tells each tile whose width differs, and no other", () => {
    const size = fc.bigInt({ min: 0n, max: 140_000n });
    fc.assert(
      fc.property(size, size, (a, b) => {
        const [from, to] = a < b ? [a, b] : [b, a];
        const expected: string[] = [];
        for (let level = 0; level < 3; level += 1) {
          for (let index = 0n; tileWidth(level, index, to) > 0; index += 1n) {
            const width = tileWidth(level, index, to);
            if (width > tileWidth(level, index, from)) expected.push(tilePath(level, index, width));
          }
        }
        expect(named(tilesBetween(from, to))).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });
});

describe("nodes from tiles", () => {
  const leaves = numbered(70_000);
  /** Tiles by their definition: the roots of 256^level leaves each. */
  const tileOf = ({ level, index, width }: TileId): Buffer => {
    const span = 256 ** level;
    const first = Number(index) * 256;
    const roots = Array.from({ length: width }, (_, i) =>
      naiveRoot(leaves.slice((first + i) * span, (first + i + 1) * span)),
    );
    return Buffer.concat(roots);
  };
  const readTiles: ReadTiles = (tiles) => Promise.resolve(tiles.map(tileOf));

  test.each([
    [{ level: 0, index: 300n }, { level: 0, index: 1n, width: 256 }, 44, 45],
    [{ level: 7, index: 3n }, { level: 0, index: 1n, width: 256 }, 128, 256],
    [{ level: 8, index: 272n }, { level: 1, index: 1n, width: 17 }, 16, 17],
    [{ level: 15, index: 0n }, { level: 1, index: 0n, width: 256 }, 0, 128],
    [{ level: 16, index: 0n }, { level: 2, index: 0n, width: 1 }, 0, 1],
  ])("%o is in %o", (node, tile, start, end) => {
    expect(placeOf(node, 70_000n)).toEqual({ tile, start, end });
  });

  test("prove what the definition proves, each tile read once", async () => {
    const asked: string[] = [];
    const read = nodesFromTiles(70_000n, (tiles) => {
      asked.push(...tiles.map(({ level, index }) => `${level}/${index}`));
      return readTiles(tiles);
    });
    expect(await proveInclusion(69_999n, 70_000n, read)).toEqual(naivePath(69_999, leaves));
    expect(new Set(asked).size).toBe(asked.length);
    const [first, second] = [66_000n, 70_000n];
    const proof = await proveConsistency(first, second, read);
    const [firstRoot, secondRoot] = [await rootAt(first, read), await rootAt(second, read)];
    expect(verifyConsistency({ first, second, firstRoot, secondRoot, proof })).toBe(true);
    expect(await rootAt(65_537n, read)).toEqual(naiveRoot(leaves.slice(0, 65_537)));
  });

  test("a tile that is cut off is not taken", async () => {
    const read = nodesFromTiles(300n, async (tiles) =>
      (await readTiles(tiles)).map((bytes) => bytes.subarray(32)),
    );
    await expect(proveInclusion(3n, 300n, read)).rejects.toThrow("tile/0/000 is not there whole");
    const none = nodesFromTiles(300n, () => Promise.resolve([]));
    await expect(proveInclusion(3n, 300n, none)).rejects.toThrow("VIG_AUDIT_LEAF_INVALID");
  });

  test("a node beyond the end of the tree is none", async () => {
    const read = nodesFromTiles(290n, readTiles);
    await expect(read([{ level: 0, index: 290n }])).rejects.toThrow("VIG_AUDIT_LEAF_INVALID");
    await expect(read([{ level: 3, index: 36n }])).rejects.toThrow("VIG_AUDIT_LEAF_INVALID");
  });

  test("the root of a full tile is its node one level of tiles up", () => {
    const hashes = leaves.slice(0, 256).map(leafHash);
    expect(rootOfHashes(Buffer.concat(hashes))).toEqual(naiveRoot(leaves.slice(0, 256)));
    expect(splitHashes(Buffer.concat(hashes))).toEqual(hashes);
    expect(() => splitHashes(Buffer.alloc(33))).toThrow("VIG_AUDIT_LEAF_INVALID");
  });
});

describe("entry bundles", () => {
  test("a length of two bytes, big end first, before each leaf", () => {
    const bytes = encodeEntries([Buffer.from("ab"), Buffer.alloc(0), Buffer.alloc(258, 1)]);
    expect(bytes.toString("hex", 0, 10)).toBe("00026162000001020101");
    expect(bytes).toHaveLength(6 + 2 + 258);
  });

  test("any leaves come back", () => {
    const leaf = fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes));
    fc.assert(
      fc.property(fc.array(leaf, { maxLength: 256 }), (leaves) => {
        expect(decodeEntries(encodeEntries(leaves))).toEqual(leaves);
      }),
    );
    const largest = [Buffer.alloc(65_535, 9)];
    expect(decodeEntries(encodeEntries(largest))).toEqual(largest);
  });

  test("a leaf too large, or a bundle that was cut, is refused", () => {
    expect(() => encodeEntries([Buffer.alloc(65_536)])).toThrow("VIG_AUDIT_LEAF_INVALID");
    const bytes = encodeEntries([Buffer.from("ab")]);
    for (const end of [1, 2, 3]) {
      expect(() => decodeEntries(bytes.subarray(0, end))).toThrow("VIG_AUDIT_LEAF_INVALID");
    }
    expect(decodeEntries(Buffer.alloc(0))).toEqual([]);
  });
});
