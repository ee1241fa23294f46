import {
  appendLeaves,
  EMPTY_FRONTIER,
  type Frontier,
  rootOf,
  TILE_HEIGHT,
} from "@vigie/audit-log/tree";
import type { StoredTile } from "./log-source.ts";

/** Recomputes a tree leaf by leaf: of all before it keeps the frontier, and each level's tile that is not full yet. */
export class TreeWalk {
  private state: Frontier = EMPTY_FRONTIER;
  private readonly open: Buffer[][] = [];

  get size(): number {
    return Number(this.state.size);
  }

  get frontier(): readonly Buffer[] {
    return this.state.hashes;
  }

  root(): Buffer {
    return rootOf(this.state);
  }

  /** Returns: the tiles that this leaf made full, from the lowest level up. */
  append(leafHash: Buffer): readonly StoredTile[] {
    const { frontier, tileRoots } = appendLeaves(this.state, [leafHash]);
    this.state = frontier;
    this.add(0, leafHash);
    return tileRoots.map(({ level, index, hash }) => {
      const tileLevel = level / TILE_HEIGHT - 1;
      const hashes = Buffer.concat(this.open[tileLevel] ?? []);
      this.open[tileLevel] = [];
      this.add(tileLevel + 1, hash);
      return { level: tileLevel, index: Number(index), hashes, root: hash };
    });
  }

  private add(level: number, hash: Buffer): void {
    const tile = this.open[level] ?? [];
    tile.push(hash);
    this.open[level] = tile;
  }
}
