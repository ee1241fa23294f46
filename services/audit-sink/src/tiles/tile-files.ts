import type { ReadNodes } from "@vigie/audit-log/proofs";
import {
  encodeEntries,
  entriesPath,
  TILE_WIDTH,
  type TileId,
  tilePath,
  tilesBetween,
} from "@vigie/audit-log/tiles";
import { rootOf, TILE_HEIGHT } from "@vigie/audit-log/tree";
import { messageOf, VigError } from "@vigie/core/errors";
import type { ObjectStore } from "@vigie/service-kit/objects/store";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { openSigned, type SignedCheckpoint, type TrustedKeys } from "#checkpoint/keys";
import { frontierAt } from "#checkpoint/tree";

/** The log as C2SP tlog-tiles has it: `checkpoint`, `tile/<level>/…` and `tile/entries/…`. */
export const CHECKPOINT_FILE = "checkpoint";

/** What tiles are made of. */
export interface TilesSource {
  readonly nodes: ReadNodes;
  /** Data of the leaves `from` up to `to`, all of which exist. */
  leaves(from: bigint, to: bigint): Promise<readonly Buffer[]>;
}

const LEAVES = "select leaf from audit_leaves where index >= $1 and index < $2 order by index";

export const databaseTiles = (db: Queryable, nodes: ReadNodes): TilesSource => ({
  nodes,
  async leaves(from, to) {
    const { rows } = await db.query<{ leaf: Buffer }>(LEAVES, [Number(from), Number(to)]);
    return rows.map((row) => row.leaf);
  },
});

export interface TilesTarget {
  readonly source: TilesSource;
  readonly store: ObjectStore;
  readonly keys: TrustedKeys;
  /** Told after each group of tiles: leaves whose tiles are written. */
  readonly onProgress?: (leaves: bigint) => void;
}

/** Tiles that are written at once: waiting for disks and networks is most of the time. They are read one by one. */
const AT_ONCE = 8;

/**
 * Writes what the store has not yet of a signed tree: tiles and entries first, the checkpoint last, so that whoever reads
 * a checkpoint finds all that it covers. Interrupted, it begins again where the store's checkpoint is.
 * `lines`: what witnesses added to the checkpoint.
 * Throws: VIG_AUDIT_TILES_UNFIT for a store of another log; VIG_OBJECTS_AWAY; what of the source is away.
 */
export async function writeTiles(
  target: TilesTarget,
  checkpoint: SignedCheckpoint,
  lines: readonly string[],
): Promise<void> {
  const { store, onProgress } = target;
  const from = await sizeIn(target, checkpoint);
  // Somebody else has been further: an older checkpoint never takes the place of a newer one.
  if (from > checkpoint.size) return;
  const group: TileId[] = [];
  const write = async (): Promise<void> => {
    const files: (readonly [string, Buffer])[] = [];
    for (const tile of group) files.push(...(await filesOf(target, tile)));
    await Promise.all(files.map(([path, bytes]) => store.put(path, bytes)));
    const last = group.findLast(({ level }) => level === 0);
    group.length = 0;
    if (last !== undefined) onProgress?.(endOf(last));
  };
  for (const tile of tilesBetween(from, checkpoint.size)) {
    group.push(tile);
    if (group.length === AT_ONCE) await write();
  }
  await write();
  await store.put(CHECKPOINT_FILE, Buffer.from(checkpoint.note + lines.join("")));
  await store.remove(outgrown(from, checkpoint.size));
}

/** How much of this log the store holds already. */
async function sizeIn(
  { store, keys, source }: TilesTarget,
  { size }: SignedCheckpoint,
): Promise<bigint> {
  const held = await readCheckpoint(store, keys);
  if (held === null) return 0n;
  if (held.size > size) return held.size;
  const root = rootOf(await frontierAt(held.size, source.nodes));
  if (!root.equals(held.root)) throw unfit(store, `its tree of ${held.size} is another one`);
  return held.size;
}

/** The checkpoint of a store; null: there is none. Throws: VIG_AUDIT_TILES_UNFIT if it is none of this log. */
export async function readCheckpoint(
  store: ObjectStore,
  keys: TrustedKeys,
): Promise<SignedCheckpoint | null> {
  const note = await store.get(CHECKPOINT_FILE);
  if (note === null) return null;
  try {
    return openSigned(note.toString("utf8"), keys);
  } catch (error) {
    throw unfit(store, messageOf(error));
  }
}

async function filesOf(
  { source }: TilesTarget,
  { level, index, width }: TileId,
): Promise<readonly (readonly [string, Buffer])[]> {
  const first = index * BigInt(TILE_WIDTH);
  const nodes = Array.from({ length: width }, (_, i) => ({
    level: level * TILE_HEIGHT,
    index: first + BigInt(i),
  }));
  const tile = [tilePath(level, index, width), Buffer.concat(await source.nodes(nodes))] as const;
  if (level > 0) return [tile];
  const leaves = await source.leaves(first, first + BigInt(width));
  return [tile, [entriesPath(index, width), encodeEntries(leaves)]];
}

/**
 * Partial files of the tiles that became full: a reader of an older checkpoint takes the full one instead.
 * Source: C2SP tlog-tiles, which lets partial tiles go once the full one is there.
 */
function outgrown(from: bigint, to: bigint): string[] {
  const paths: string[] = [];
  for (const { level, index, width } of tilesBetween(from, to)) {
    const had = from >> BigInt(level * TILE_HEIGHT);
    const isCut = had / BigInt(TILE_WIDTH) === index && had % BigInt(TILE_WIDTH) > 0n;
    if (!isCut || width < TILE_WIDTH) continue;
    for (let partial = 1; partial < TILE_WIDTH; partial += 1) {
      paths.push(tilePath(level, index, partial));
      if (level === 0) paths.push(entriesPath(index, partial));
    }
  }
  return paths;
}

const endOf = ({ index, width }: TileId): bigint => index * BigInt(TILE_WIDTH) + BigInt(width);

export const unfit = ({ name }: ObjectStore, why: string): VigError =>
  new VigError("VIG_AUDIT_TILES_UNFIT", { where: name, why });
