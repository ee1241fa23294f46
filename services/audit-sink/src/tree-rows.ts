import type { NodeId } from "@vigie/audit-log/proofs";
import { TILE_WIDTH } from "@vigie/audit-log/tiles";
import { appendLeaves, type Frontier, type Node, TILE_HEIGHT } from "@vigie/audit-log/tree";
import { assert } from "@vigie/core/assert";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import type { Queryable } from "@vigie/service-kit/postgres/database";

/** A row of audit_tiles. */
export interface TileRow {
  readonly level: number;
  readonly index: number;
  readonly hashes: Buffer;
  readonly root: Buffer;
}

/** The tree as an append needs it: its frontier, and of each level the hashes of the tile that is not full yet. */
export interface Tree {
  readonly frontier: Frontier;
  readonly partial: readonly (readonly Buffer[])[];
}

/** The hashes behind the last full tile of each level, by the frontier's size. */
export async function readTree(tx: Queryable, frontier: Frontier): Promise<Tree> {
  const levels: NodeId[][] = [];
  for (let size = frontier.size, level = 0; size > 0n; size >>= BigInt(TILE_HEIGHT), level += 1) {
    const count = Number(size % BigInt(TILE_WIDTH));
    const node = (_: unknown, i: number): NodeId => ({
      level: level * TILE_HEIGHT,
      index: size - BigInt(count - i),
    });
    levels.push(Array.from({ length: count }, node));
  }
  const hashes = await readNodes(tx)(levels.flat());
  const ends = levels.map((_, i) => levels.slice(0, i + 1).flat().length);
  const partial = levels.map(({ length }, i) => hashes.slice((ends[i] ?? 0) - length, ends[i]));
  return { frontier, partial };
}

/** Appends leaves by their hashes, and cuts the tiles that became full. */
export function growTree(
  { frontier, partial }: Tree,
  leafHashes: readonly Buffer[],
): { readonly tree: Tree; readonly tiles: readonly TileRow[] } {
  const grown = appendLeaves(frontier, leafHashes);
  const tiles: TileRow[] = [];
  const rest: (readonly Buffer[])[] = [];
  let added = leafHashes;
  for (let level = 0; added.length > 0 || level < partial.length; level += 1) {
    const roots = grown.tileRoots.filter((node) => node.level === (level + 1) * TILE_HEIGHT);
    const hashes = [...(partial[level] ?? []), ...added];
    tiles.push(...roots.map((root, i) => tileOf(level, root, hashes, i)));
    rest.push(hashes.slice(roots.length * TILE_WIDTH));
    added = roots.map(({ hash }) => hash);
  }
  return { tree: { frontier: grown.frontier, partial: rest }, tiles };
}

function tileOf(level: number, root: Node, hashes: readonly Buffer[], at: number): TileRow {
  const own = hashes.slice(at * TILE_WIDTH, (at + 1) * TILE_WIDTH);
  assert(own.length === TILE_WIDTH, "a tile that has a root is full");
  return { level, index: Number(root.index), hashes: Buffer.concat(own), root: root.hash };
}
