// The log as files (c2sp.org/tlog-tiles).
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { createAnchors, judgeCheckpoint, reportSeals } from "./checkpoints.mjs";
import { createRoom, createSeries } from "./evidence.mjs";
import { isContinuation, parseLeaf } from "./leaf.mjs";
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
  reportSeals(signed, trust, report);
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
  const anchors = createAnchors(signed, trust, report);
  const series = createSeries(report, createRoom(report));
  const tiles = createTileCheck(folder, report);
  for (let index = 0; tree.size() < size; index += 1) {
    const width = Math.min(TILE_WIDTH, size - tree.size());
    const { texts, fault } = readEntries(folder, index, width);
    for (const text of texts) {
      meaning(tree.size(), text, { series, anchors, report });
      const hash = leafHash(text);
      tiles.add(hash);
      tree.append(hash);
      anchors.at(tree);
    }
    if (fault === null) continue;
    const isWhole = texts.length === width;
    report[fault.kind](isWhole ? null : tree.size(), fault.why);
    if (isWhole) continue;
    tiles.compareLeaves();
    return tree.size();
  }
  tiles.finish();
  series.finish();
  if (!tree.root().equals(signed.root)) {
    report.tampered(null, "the leaves do not give the root of the checkpoint");
  }
  anchors.finish(trust.proofs, false);
  return size;
}

function meaning(index, text, { series, anchors, report }) {
  try {
    const leaf = parseLeaf(text);
    if (index === 0 && isContinuation(leaf)) anchors.follow(leaf.payload);
    series.read(index, leaf);
  } catch (error) {
    report.unreadable(index, error.message);
  }
}

/** The leaves of a bundle as texts, at most `width`, and the fault of it, or null. */
function readEntries(folder, index, width) {
  const tile = readTile(folder, "entries", index, width);
  const texts = [];
  const missing = `${tilePath("entries", index, width)} is missing`;
  if (tile === null) return { texts, fault: { kind: "incomplete", why: missing } };
  const { bytes, path } = tile;
  let at = 0;
  for (let read = 0; read < tile.width; read += 1) {
    const length = at + 2 <= bytes.length ? bytes.readUInt16BE(at) : Number.NaN;
    const entry = bytes.subarray(at + 2, at + 2 + length);
    const text = entry.toString();
    const isLeaf = entry.length === length && Buffer.from(text).equals(entry);
    if (!isLeaf) return { texts, fault: { kind: "tampered", why: `${path} holds no leaf here` } };
    if (read < width) texts.push(text);
    at += 2 + length;
  }
  const more = { kind: "tampered", why: `${path} has more than ${tile.width} leaves` };
  return { texts, fault: at === bytes.length ? null : more };
}

/** Compares the tiles of all levels with the hashes that leaves give, one tile of each level in memory. */
function createTileCheck(folder, report) {
  /** By level: { index, nodes: [{ hash, isFaulty }] } of the tile that grows. */
  const growing = [];

  /** `isFaulty`: a fault below is told already. */
  function add(node, level) {
    growing[level] ??= { index: 0, nodes: [] };
    const tile = growing[level];
    tile.nodes.push(node);
    if (tile.nodes.length < TILE_WIDTH) return;
    const isFaulty = compare(level, tile);
    growing[level] = { index: tile.index + 1, nodes: [] };
    add({ hash: subtreeRoot(tile.nodes.map(({ hash }) => hash)), isFaulty }, level + 1);
  }

  /** Whether there is a fault in or below the tile. */
  function compare(level, { index, nodes }) {
    const tile = readTile(folder, level, index, nodes.length);
    const first = index * TILE_WIDTH ** (level + 1);
    if (tile === null || tile.bytes.length < nodes.length * HASH_BYTES) {
      const path = tilePath(level, index, nodes.length);
      report.incomplete(first, `${path} is missing or too short`);
      return true;
    }
    const { bytes, path, width } = tile;
    if (bytes.length !== width * HASH_BYTES) {
      report.tampered(null, `${path} has not ${width} hashes`);
    }
    const wrong = nodes.findIndex(
      ({ hash, isFaulty }, i) =>
        !isFaulty && !hash.equals(bytes.subarray(HASH_BYTES * i, HASH_BYTES * (i + 1))),
    );
    if (wrong >= 0) {
      const leaf = first + wrong * TILE_WIDTH ** level;
      report.tampered(leaf, `${path}: its hash is not that of the leaves below it`);
    }
    return wrong >= 0 || nodes.some(({ isFaulty }) => isFaulty);
  }

  const compareGrowing = (level) => {
    const tile = growing[level];
    if (tile !== undefined && tile.nodes.length > 0) compare(level, tile);
  };
  return {
    add: (hash) => add({ hash, isFaulty: false }, 0),
    compareLeaves: () => compareGrowing(0),
    finish() {
      for (const level of growing.keys()) compareGrowing(level);
    },
  };
}

/** A tile by its bytes, path and own width: one that grew since then may stand where a narrower one is meant. */
function readTile(folder, level, index, width) {
  const partial = join(folder, `${tilePath(level, index)}.p`);
  const others = existsSync(partial) ? readdirSync(partial) : [];
  const wider = others.filter((name) => /^[1-9]\d*$/.test(name)).map(Number);
  for (const own of [width, TILE_WIDTH, ...wider.filter((one) => one > width)]) {
    const path = tilePath(level, index, own);
    const bytes = own > TILE_WIDTH ? null : readFile(folder, path);
    if (bytes !== null) return { bytes, path, width: own };
  }
  return null;
}

function readFile(folder, path) {
  const file = join(folder, path);
  if (!existsSync(file)) return null;
  const stat = statSync(file);
  return stat.isFile() && stat.size <= FILE_BYTES_MAX ? readFileSync(file) : null;
}
