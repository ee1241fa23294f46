import type { NodeId, ReadNodes } from "@vigie/audit-log/proofs";
import { TILE_WIDTH } from "@vigie/audit-log/tiles";
import { HASH_BYTES, nodeHash, TILE_HEIGHT } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import type { Queryable } from "../postgres/database.ts";

/** Hashes `from` up to `to` of one tile of a level. */
interface TileRange {
  readonly level: number;
  readonly tile: number;
  from: number;
  to: number;
}

/** A node is made of the hashes of one tile that stand under it. */
interface Place {
  readonly range: TileRange;
  readonly from: number;
  readonly count: number;
}

/**
 * A full tile has its own row; of one that grows the hashes are those of the leaves, or the roots of the tiles below.
 * $1 levels, $2 tiles, $3 first and $4 last hash + 1 of the level.
 */
const READ = `
  select coalesce(
    (select substring(hashes from ((first - tile * ${TILE_WIDTH}) * ${HASH_BYTES} + 1)::int
                              for ((last - first) * ${HASH_BYTES})::int)
       from audit_tiles full_tile
      where full_tile.level = wanted.level and full_tile.index = tile),
    case wanted.level
      when 0 then (select string_agg(leaf_hash, ''::bytea order by index)
                     from audit_leaf_hashes where index >= first and index < last)
      else (select string_agg(root, ''::bytea order by index)
              from audit_tiles below
             where below.level = wanted.level - 1 and index >= first and index < last)
    end,
    ''::bytea) as hashes
    from unnest($1::int[], $2::bigint[], $3::bigint[], $4::bigint[])
      with ordinality as wanted (level, tile, first, last, place)
   order by place`;

/**
 * Reads perfect subtrees out of tiles and leaf hashes, with one statement whatever their number.
 * Throws: VIG_AUDIT_LEAF_MISSING for a node that the tree does not have; VIG_DATABASE_AWAY.
 */
export const readNodes =
  (db: Queryable): ReadNodes =>
  async (nodes) => {
    const ranges = new Map<string, TileRange>();
    const places = nodes.map((node) => placeOf(node, ranges));
    const wanted = [...ranges.values()];
    const { rows } = await db.query<{ hashes: Buffer }>(READ, [
      wanted.map(({ level }) => level),
      wanted.map(({ tile }) => tile),
      wanted.map(({ tile, from }) => tile * TILE_WIDTH + from),
      wanted.map(({ tile, to }) => tile * TILE_WIDTH + to),
    ]);
    const found = new Map(wanted.map((range, i) => [range, whole(range, rows[i]?.hashes)]));
    return places.map(({ range, from, count }) => {
      const hashes = found.get(range) as Buffer;
      return perfectRoot(hashes, from - range.from, count);
    });
  };

function placeOf({ level, index }: NodeId, ranges: Map<string, TileRange>): Place {
  const tileLevel = Math.floor(level / TILE_HEIGHT);
  const count = 2 ** (level % TILE_HEIGHT);
  const first = Number(index) * count;
  const tile = Math.floor(first / TILE_WIDTH);
  const from = first - tile * TILE_WIDTH;
  const name = `${tileLevel}/${tile}`;
  const range = ranges.get(name) ?? { level: tileLevel, tile, from, to: from + count };
  range.from = Math.min(range.from, from);
  range.to = Math.max(range.to, from + count);
  ranges.set(name, range);
  return { range, from, count };
}

const NOTHING = Buffer.alloc(0);

function whole({ level, tile, from, to }: TileRange, hashes: Buffer = NOTHING): Buffer {
  if (hashes.length !== (to - from) * HASH_BYTES) {
    const covers = 2 ** (level * TILE_HEIGHT);
    throw new VigError("VIG_AUDIT_LEAF_MISSING", { index: (tile * TILE_WIDTH + from) * covers });
  }
  return hashes;
}

function perfectRoot(hashes: Buffer, from: number, count: number): Buffer {
  if (count === 1) return hashes.subarray(from * HASH_BYTES, (from + 1) * HASH_BYTES);
  const half = count / 2;
  return nodeHash(perfectRoot(hashes, from, half), perfectRoot(hashes, from + half, half));
}
