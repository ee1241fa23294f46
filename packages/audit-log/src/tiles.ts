import { VigError } from "@vigie/core/errors";
import { LEAF_BYTES_MAX } from "./leaf.ts";
import type { NodeId, ReadNodes } from "./proofs.ts";
import { appendLeaves, EMPTY_FRONTIER, HASH_BYTES, rootOf, TILE_HEIGHT } from "./tree.ts";

/** Hashes of a full tile, and entries of a full bundle. Source: C2SP tlog-tiles. */
export const TILE_WIDTH = 1 << TILE_HEIGHT;
/** Source: C2SP tlog-tiles; of 64 a tree of 2^64 leaves has seven. */
const TILE_LEVEL_MAX = 63;

/**
 * A tile: the roots, next to each other, of `width` perfect subtrees of 256^level leaves. Only the last tile of a
 * level may be partial (1..255 wide).
 */
export interface TileId {
  readonly level: number;
  readonly index: bigint;
  readonly width: number;
}

/** Gives the tiles' hashes, concatenated, in the order asked for. */
export type ReadTiles = (tiles: readonly TileId[]) => Promise<readonly Buffer[]>;

/** E.g. tile/0/x001/x234/067, and tile/1/000.p/17 for a partial tile. Source: C2SP tlog-tiles. */
export const tilePath = (level: number, index: bigint, width: number = TILE_WIDTH): string =>
  `tile/${level}/${indexPath(index)}${widthPath(width)}`;

/** E.g. tile/entries/x001/x234/067, and tile/entries/000.p/17 for a partial bundle. */
export const entriesPath = (index: bigint, width: number = TILE_WIDTH): string =>
  `tile/entries/${indexPath(index)}${widthPath(width)}`;

export type ParsedPath =
  | ({ readonly kind: "hashes" } & TileId)
  | ({ readonly kind: "entries" } & Omit<TileId, "level">);

const PATH = /^tile\/(entries|0|[1-9]\d?)\/((?:x\d{3}\/){0,6}\d{3})(?:\.p\/([1-9]\d{0,2}))?$/;

/** The tile or bundle of a path; null for a path that tilePath and entriesPath do not make. */
export function parseTilePath(path: string): ParsedPath | null {
  const [, level = "", digits = "", partial] = PATH.exec(path) ?? [];
  if (digits === "") return null;
  const at = { index: BigInt(digits.replace(/\D/g, "")), width: Number(partial ?? TILE_WIDTH) };
  if (partial !== undefined && at.width >= TILE_WIDTH) return null;
  if (level !== "entries" && Number(level) > TILE_LEVEL_MAX) return null;
  // An index has one way of being written: no leading x000.
  if (indexPath(at.index) !== digits) return null;
  return level === "entries"
    ? { kind: "entries", ...at }
    : { kind: "hashes", level: Number(level), ...at };
}

function indexPath(index: bigint): string {
  const digits = index.toString();
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/\d{3}/g) ?? [];
  return groups.map((group, i) => (i < groups.length - 1 ? `x${group}` : group)).join("/");
}

const widthPath = (width: number): string => (width === TILE_WIDTH ? "" : `.p/${width}`);

/** How many hashes tile `index` of a level has in a tree of `size` leaves: 0 if it has none. */
export function tileWidth(level: number, index: bigint, size: bigint): number {
  const hashes = (size >> BigInt(level * TILE_HEIGHT)) - index * BigInt(TILE_WIDTH);
  if (hashes <= 0n) return 0;
  return hashes < TILE_WIDTH ? Number(hashes) : TILE_WIDTH;
}

/**
 * The tiles that a tree of `to` leaves has and one of `from` leaves had not, or had narrower; lower levels first. Those
 * of level 0 are the entry bundles as well.
 */
export function* tilesBetween(from: bigint, to: bigint): Generator<TileId> {
  for (let level = 0; to >> BigInt(level * TILE_HEIGHT) > 0n; level += 1) {
    const shift = BigInt(level * TILE_HEIGHT);
    const [had, has] = [from >> shift, to >> shift];
    if (had === has) continue;
    for (let index = had / BigInt(TILE_WIDTH); index * BigInt(TILE_WIDTH) < has; index += 1n) {
      yield { level, index, width: tileWidth(level, index, to) };
    }
  }
}

/** A node's place: the root of the hashes `start` up to `end` of a tile. */
export interface NodePlace {
  readonly tile: TileId;
  readonly start: number;
  readonly end: number;
}

/** Which tile of a tree of `size` leaves holds a node, and where. The tile is as wide as that tree has it. */
export function placeOf({ level, index }: NodeId, size: bigint): NodePlace {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const hashes = 1 << (level % TILE_HEIGHT);
  const first = index * BigInt(hashes);
  const tile = first / BigInt(TILE_WIDTH);
  const start = Number(first % BigInt(TILE_WIDTH));
  const width = tileWidth(tileLevel, tile, size);
  return { tile: { level: tileLevel, index: tile, width }, start, end: start + hashes };
}

/** Reads nodes from the tiles of a tree of `size` leaves; each tile once. */
export function nodesFromTiles(size: bigint, readTiles: ReadTiles): ReadNodes {
  return async (nodes) => {
    const places = nodes.map((node) => placeOf(node, size));
    const wanted = new Map(places.map(({ tile }) => [nameOf(tile), tile]));
    const bytes = await readTiles([...wanted.values()]);
    const tiles = new Map([...wanted.keys()].map((name, i) => [name, bytes[i]]));
    return places.map((place) => nodeOfTile(tiles.get(nameOf(place.tile)), place));
  };
}

function nodeOfTile(bytes: Buffer | undefined, { tile, start, end }: NodePlace): Buffer {
  if (bytes?.length !== tile.width * HASH_BYTES || end > tile.width) {
    throw invalid(`${tilePath(tile.level, tile.index, tile.width)} is not there whole`);
  }
  return rootOfHashes(bytes.subarray(start * HASH_BYTES, end * HASH_BYTES));
}

/** The root of a tile, or of a power of two of hashes that stand next to each other in one. */
export const rootOfHashes = (bytes: Buffer): Buffer =>
  rootOf(appendLeaves(EMPTY_FRONTIER, splitHashes(bytes)).frontier);

/** Throws: VIG_AUDIT_LEAF_INVALID unless the bytes are whole hashes. */
export function splitHashes(bytes: Buffer): Buffer[] {
  if (bytes.length % HASH_BYTES !== 0) throw invalid("a tile ends within a hash");
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, i) =>
    bytes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
  );
}

/**
 * An entry bundle: before each leaf its length as a big-endian uint16.
 * Throws: VIG_AUDIT_LEAF_INVALID for a leaf of more than 65,535 bytes.
 */
export function encodeEntries(leaves: readonly Uint8Array[]): Buffer {
  const parts = leaves.flatMap((leaf) => {
    if (leaf.length > LEAF_BYTES_MAX) throw invalid(`it has ${leaf.length} bytes`);
    return [Buffer.of(leaf.length >> 8, leaf.length & 0xff), leaf];
  });
  return Buffer.concat(parts);
}

/** Throws: VIG_AUDIT_LEAF_INVALID if the bundle ends within an entry. */
export function decodeEntries(bytes: Buffer): Buffer[] {
  const leaves: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const start = at + 2;
    const end = start <= bytes.length ? start + bytes.readUInt16BE(at) : Infinity;
    if (end > bytes.length) throw invalid("an entry bundle ends within an entry");
    leaves.push(bytes.subarray(start, end));
    at = end;
  }
  return leaves;
}

const nameOf = ({ level, index }: TileId): string => `${level}/${index}`;

const invalid = (why: string): VigError => new VigError("VIG_AUDIT_LEAF_INVALID", { why });
