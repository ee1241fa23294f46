import { type NodeId, nodesOf, type ReadNodes } from "@vigie/audit-log/proofs";
import { type Frontier, rootOf } from "@vigie/audit-log/tree";
import type { Database } from "@vigie/service-kit/postgres/database";

/** The log as the database has it, committed rows only. */
export interface LogTree {
  head(): Promise<{ readonly size: bigint; readonly root: Buffer }>;
  /** Of the leaves `from` up to `to`, all of which exist. */
  leafHashes(from: bigint, to: bigint): Promise<readonly Buffer[]>;
  readonly nodes: ReadNodes;
}

/** The tree as it was at a size that it has reached. */
export async function frontierAt(size: bigint, read: ReadNodes): Promise<Frontier> {
  const nodes: NodeId[] = size === 0n ? [] : nodesOf({ start: 0n, end: size });
  return { size, hashes: nodes.length === 0 ? [] : await read(nodes) };
}

const HEAD = "select size, frontier from audit_head";
const HASHES = `
  select leaf_hash from audit_leaves where index >= $1 and index < $2 order by index`;

export function databaseTree(db: Database, nodes: ReadNodes): LogTree {
  return {
    nodes,
    async head() {
      const { rows } = await db.query<{ size: number; frontier: Buffer[] }>(HEAD);
      const { size = 0, frontier = [] } = rows[0] ?? {};
      const sized = { size: BigInt(size), hashes: frontier };
      return { size: sized.size, root: rootOf(sized) };
    },
    async leafHashes(from, to) {
      const { rows } = await db.query<{ leaf_hash: Buffer }>(HASHES, [Number(from), Number(to)]);
      return rows.map((row) => row.leaf_hash);
    },
  };
}
