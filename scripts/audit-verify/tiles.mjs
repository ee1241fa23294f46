// The log as files (c2sp.org/tlog-tiles).
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createAnchors, judgeCheckpoint, reportSeals } from "./checkpoints.mjs";
import { createSeries } from "./evidence.mjs";
import { parseLeaf } from "./leaf.mjs";
import { createTree, LEAF_BYTES_MAX, leafHash, subtreeRoot } from "./merkle.mjs";
import { TILE_WIDTH } from "./proofs.mjs";

const HASH_BYTES = 32;
const FILE_BYTES_MAX = TILE_WIDTH * (2 + LEAF_BYTES_MAX);

/** Where a tile stands; of `width` below 256 a partial one. `level` is a number or "entries". */
export function tilePath(level, index, width = TILE_WIDTH) {
  const groups = [];
  for (let rest = index; groups.length === 0 || rest > 0; rest = Math.floor(rest / 1000)) {
    groups.unshift(String(rest % 1000).padStart(3, "0"));
  }
  const name = groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
  return `tile/${level}/${name}${width < TILE_WIDTH ? `.p/${width}` : ""}`;
}

/** Verifies a folder of tiles: the leaves give the root, and every tile holds the hashes that they give. */
export function verifyTiles(folder, trust, report) {
  const what = "the folder's checkpoint";
  const note = readFile(folder, "checkpoint");
  if (note === null) {
    report.unreadable(null, "the folder has no checkpoint");
    return;
  }
  const signed = judgeCheckpoint(note.toString(), { ...trust, what, report, kind: "tampered" });
  if (signed === null) return;
  reportSeals(trust.given ?? signed, { ...trust, report });
  const { origin, size, root } = signed;
  Object.assign(report.facts, { origin, size: Number(size), root: root.toString("base64") });
  if (size > BigInt(Number.MAX_SAFE_INTEGER)) {
    report.unreadable(null, "no folder holds so many leaves");
    return;
  }
  const leaves = readLeaves(folder, { signed, trust, report });
  report.facts.leaves = leaves;
  if (leaves < Number(size))
    report.incomplete(leaves, `leaves ${leaves} to ${size - 1n} are missing`);
}

/** Reads bundle after bundle, as far as they go; returns how many leaves there were. */
function readLeaves(folder, { signed, trust, report }) {
  const size = Number(signed.size);
  const tree = createTree();
  const anchors = createAnchors(signed, trust.others, report);
  const series = createSeries(report);
  const tiles = createTileCheck(folder, report);
  for (let index = 0; tree.size() < size; index += 1) {
    const width = Math.min(TILE_WIDTH, size - tree.size());
    const entries = readEntries(folder, { index, width, report });
    if (entries === null) return tree.size();
    for (const text of entries) {
      meaning(tree.size(), text, { series, report });
      const hash = leafHash(text);
      tiles.add(hash);
      tree.append(hash);
      anchors.at(tree);
    }
  }
  tiles.finish();
  series.finish();
  if (!tree.root().equals(signed.root)) {
    report.tampered(null, "the leaves do not give the root of the checkpoint");
  }
  anchors.finish(trust.proofs);
  return size;
}

function meaning(index, text, { series, report }) {
  try {
    series.read(index, parseLeaf(text));
  } catch (error) {
    report.unreadable(index, error.message);
  }
}

/** The leaves of a bundle as texts; null if it is not there or is no bundle. */
function readEntries(folder, { index, width, report }) {
  const bytes = readTile(folder, "entries", index, width);
  if (bytes === null) return null;
  const texts = [];
  for (let at = 0; texts.length < width; ) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : Number.NaN;
    const entry = bytes.subarray(at + 2, at + 2 + length);
    const text = entry.toString();
    if (entry.length !== length || !Buffer.from(text).equals(entry)) {
      const where = index * TILE_WIDTH + texts.length;
      report.tampered(where, `${tilePath("entries", index, width)}: it holds no leaf here`);
      return null;
    }
    texts.push(text);
    at += 2 + length;
  }
  return texts;
}

/** Compares the tiles of all levels with the hashes that leaves give, one tile of each level in memory. */
function createTileCheck(folder, report) {
  /** By level: { index, hashes } of the tile that grows. */
  const growing = [];

  function add(hash, level = 0) {
    growing[level] ??= { index: 0, hashes: [] };
    const tile = growing[level];
    tile.hashes.push(hash);
    if (tile.hashes.length < TILE_WIDTH) return;
    compare(level, tile);
    growing[level] = { index: tile.index + 1, hashes: [] };
    add(subtreeRoot(tile.hashes), level + 1);
  }

  function compare(level, { index, hashes }) {
    const path = tilePath(level, index, hashes.length);
    const bytes = readTile(folder, level, index, hashes.length);
    const first = index * TILE_WIDTH ** (level + 1);
    if (bytes === null || bytes.length < hashes.length * HASH_BYTES) {
      report.incomplete(first, `${path} is missing or too short`);
      return;
    }
    const wrong = hashes.findIndex(
      (hash, i) => !hash.equals(bytes.subarray(HASH_BYTES * i, HASH_BYTES * (i + 1))),
    );
    if (wrong < 0) return;
    const leaf = first + wrong * TILE_WIDTH ** level;
    report.tampered(leaf, `${path}: its hash is not that of the leaves below it`);
  }

  return {
    add: (hash) => add(hash),
    finish() {
      for (const [level, tile] of growing.entries()) {
        if (tile.hashes.length > 0) compare(level, tile);
      }
    },
  };
}

/** A full tile may stand where a partial one is meant. */
const readTile = (folder, level, index, width) =>
  readFile(folder, tilePath(level, index, width)) ?? readFile(folder, tilePath(level, index));

function readFile(folder, path) {
  const file = join(folder, path);
  if (!existsSync(file)) return null;
  const { size } = statSync(file);
  return size > FILE_BYTES_MAX ? null : readFileSync(file);
}
