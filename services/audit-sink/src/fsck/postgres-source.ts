import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { TrustedKeys } from "../checkpoint/keys.ts";
import type { Claim, LeafRow, LogSource, LogState, StoredTile } from "./log-source.ts";
import { type CheckpointRow, claimOfRow, whereOf } from "./notes.ts";

/** Of one statement: some 2 MiB of leaves. */
const PAGE_ROWS = 2_000;

const STATE = `
  select size, frontier,
         (select count(*) from audit_leaves where index >= size) as beyond,
         (select json_object_agg(level, tiles)
            from (select level, count(*) as tiles from audit_tiles group by level) counted) as tiles,
         greatest((select max(signed.size) from audit_checkpoints signed where origin = $1),
                  (select max(signed.size) from audit_cosignatures signed where origin = $1),
                  0) as claimed
    from audit_head`;
interface StateRow {
  readonly size: number;
  readonly frontier: readonly Buffer[];
  readonly beyond: number;
  readonly tiles: Readonly<Record<string, number>> | null;
  readonly claimed: number;
}

const LEAVES = `
  select index, tenant_id, tenant_key, event_id, leaf, leaf_hash, signature, key_id
    from audit_leaves where index >= $1 and index < $2 order by index limit ${PAGE_ROWS}`;

const TILES = `
  select level, index, hashes, root
    from audit_tiles join unnest($1::int[], $2::bigint[]) as wanted (level, index)
      using (level, index)`;

/** By the primary key: origin, size, name and id of the key. */
const CHECKPOINTS = `
  select size, root, note, key_name, key_id from audit_checkpoints
   where origin = $1 and (size, key_name, key_id) > ($2, $3, $4) and size <= $5
   order by size, key_name, key_id limit ${PAGE_ROWS}`;

const COSIGNATURES = `
  select size, root, name as key_name, key_id from audit_cosignatures
   where origin = $1 and (size, name, key_id) > ($2, $3, $4) and size <= $5
   order by size, name, key_id limit ${PAGE_ROWS}`;

export interface PostgresSourceOptions {
  readonly keys: TrustedKeys;
  /** Claims from elsewhere, by rising size. */
  readonly others: readonly Claim[];
}

export function postgresSource(db: Queryable, { keys, others }: PostgresSourceOptions): LogSource {
  const { origin } = keys;
  const claimed = others.at(-1)?.size ?? 0;

  async function* rowsOf<R extends Pick<CheckpointRow, "size" | "key_name" | "key_id">>(
    statement: string,
    sizeMax: number,
  ): AsyncGenerator<R> {
    let after: Pick<CheckpointRow, "size" | "key_name" | "key_id"> | undefined;
    do {
      const { size = -1, key_name = "", key_id = "" } = after ?? {};
      const values = [origin, size, key_name, key_id, sizeMax];
      const { rows } = await db.query<R>(statement, values);
      yield* rows;
      after = rows.length < PAGE_ROWS ? undefined : rows.at(-1);
    } while (after !== undefined);
  }

  async function* checkpoints(sizeMax: number): AsyncGenerator<Claim> {
    for await (const row of rowsOf<CheckpointRow>(CHECKPOINTS, sizeMax))
      yield claimOfRow(row, keys);
  }

  async function* cosignatures(sizeMax: number): AsyncGenerator<Claim> {
    for await (const { size, root, key_name } of rowsOf<CheckpointRow>(COSIGNATURES, sizeMax)) {
      yield { size, root, where: whereOf(size, `cosigned by ${key_name}`), fault: null };
    }
  }

  return {
    async state(): Promise<LogState> {
      const { rows } = await db.query<StateRow>(STATE, [origin]);
      const [row] = rows;
      const tiles = Object.entries(row?.tiles ?? {});
      return {
        size: row?.size ?? 0,
        frontier: row?.frontier ?? [],
        leavesBeyond: row?.beyond ?? 0,
        tileCounts: new Map(tiles.map(([level, count]) => [Number(level), count])),
        claimedSize: Math.max(row?.claimed ?? 0, claimed),
      };
    },
    async *leaves(until) {
      let from = 0;
      for (;;) {
        const { rows } = await db.query<LeafRow>(LEAVES, [from, until]);
        if (rows.length > 0) yield rows;
        if (rows.length < PAGE_ROWS) return;
        from = (rows.at(-1)?.index ?? 0) + 1;
      }
    },
    async tiles(wanted) {
      const places = [wanted.map(({ level }) => level), wanted.map(({ index }) => index)];
      return (await db.query<StoredTile>(TILES, places)).rows;
    },
    claims: (sizeMax) =>
      bySize([
        checkpoints(sizeMax),
        cosignatures(sizeMax),
        fromList(others.filter(({ size }) => size <= sizeMax)),
      ]),
  };
}

async function* fromList(claims: readonly Claim[]): AsyncGenerator<Claim> {
  yield* claims;
}

/** Sequences that each rise, as one that does. */
async function* bySize(sequences: readonly AsyncGenerator<Claim>[]): AsyncGenerator<Claim> {
  const heads = await Promise.all(sequences.map((sequence) => sequence.next()));
  for (;;) {
    const sizes = heads.map(({ done, value }) => (done ? Number.POSITIVE_INFINITY : value.size));
    const first = sizes.indexOf(Math.min(...sizes));
    const { done, value } = heads[first] ?? { done: true };
    if (done) return;
    yield value;
    heads[first] = (await sequences[first]?.next()) ?? { done: true, value: undefined };
  }
}
