import { VigError } from "@vigie/core/errors";
import { tenantUuid } from "../ids.ts";
import type { Database, Queryable } from "../postgres/database.ts";
import { type Statement, Values } from "../postgres/statement.ts";
import type { ExportSource, LeafRange, SignedTree, StoredLeaf } from "./export.ts";
import { sayFilter } from "./filter-sql.ts";
import { isAll, KEY_DESTROYED } from "./leaf-filter.ts";
import { readNodes } from "./nodes.ts";
import type { OpenLeaves } from "./subjects.ts";

/** A leaf as the table has it. */
export interface LeafRow {
  readonly index: number;
  readonly leaf: Buffer;
  readonly signature: Buffer;
  readonly key_id: string;
}

export const storedLeaf = ({ index, leaf, signature, key_id }: LeafRow): StoredLeaf => ({
  index,
  leaf,
  signature,
  keyId: key_id,
});

const SEES_ALL = "select set_config('vigie.audit_all', 'on', true)";

/** A transaction that sees the leaves of one tenant; null: of all, where the role may. */
export const inReach = <T>(
  db: Database,
  tenant: string | null,
  work: (tx: Queryable) => Promise<T>,
): Promise<T> =>
  tenant !== null
    ? db.inTenant(tenant, work)
    : db.transaction(async (tx) => {
        await tx.query(SEES_ALL);
        return work(tx);
      });

const OF_ALL = `
  select index, leaf, signature, key_id from audit_leaves
   where index >= $1::bigint and index < $2::bigint order by index limit $3::integer`;

type FoundRow = { readonly next_index: number } & (LeafRow | { readonly index: null });

/**
 * What is known of leaves is in the tables that they are searched by: one statement, so that it tells in the same
 * breath how far those are. That a key was destroyed passes every filter.
 */
function ofTenant({ from, until, limit, filter = {} }: LeafRange, tenant: string): Statement {
  const values = new Values();
  const { ways, bounds, rest } = sayFilter({ ...filter, tenant }, values);
  const id = values.put(tenantUuid(tenant), "uuid");
  const within = `index >= ${values.put(from, "bigint")} and index < ${values.put(until, "bigint")}`;
  const most = `order by index limit ${values.put(limit, "integer")}`;
  const { tenant: _, ...others } = filter;
  const besides = isAll(others)
    ? []
    : [`tenant_id = ${id} and action = ${values.put(KEY_DESTROYED, "text")}`];
  const scans = [...ways.map((way) => [way, ...bounds, ...rest].join(" and ")), ...besides].map(
    (held) => `(select index from audit_log where ${within} and ${held} ${most})`,
  );
  const text = `
    select next_index, found.index, found.leaf, found.signature, found.key_id
      from audit_projection
      left join (
        select leaves.index, leaves.leaf, leaves.signature, leaves.key_id
          from (select index from (${scans.join(" union ")}) as ways ${most}) as own
          join audit_leaves as leaves using (index)
         where leaves.tenant_id = ${id}) as found on true
     order by found.index`;
  return { text, values: values.all };
}

/** Throws: VIG_AUDIT_TABLES_BEHIND while leaves below `until` cannot be told apart by tenant. */
async function leavesOf(tx: Queryable, range: LeafRange): Promise<readonly StoredLeaf[]> {
  const { tenant, from, until, limit } = range;
  if (tenant === null) {
    return (await tx.query<LeafRow>(OF_ALL, [from, until, limit])).rows.map(storedLeaf);
  }
  const { text, values } = ofTenant(range, tenant);
  const { rows } = await tx.query<FoundRow>(text, values);
  const next = rows[0]?.next_index ?? 0;
  if (next < until) throw new VigError("VIG_AUDIT_TABLES_BEHIND", { next, size: until });
  return rows.filter((row) => row.index !== null).map(storedLeaf);
}

/** Where the leaves of the database are exported from. `opener`: null while there are no keys. */
export const leavesIn = (db: Database, opener: () => OpenLeaves | null): ExportSource => ({
  leaves: (range) => inReach(db, range.tenant, (tx) => leavesOf(tx, range)),
  nodes: readNodes(db),
  async opened(leaves) {
    const open = opener();
    const sealed = leaves.map(() => ({ boxes: {}, aside: null }));
    // Whose rows the leaves are was judged when they were read.
    return open === null ? sealed : inReach(db, null, (tx) => open(tx, leaves));
  },
});

/** $3: with the line of a witness. */
const NEWEST = `
  select origin, size, note || coalesce(
           (select string_agg(line, '' order by name, key_id) from audit_cosignatures as witness
             where witness.origin = signed.origin and witness.size = signed.size
               and witness.root = signed.root), '') as note
    from audit_checkpoints as signed
   where origin = $1 and size <= case when $3::boolean
           then (select max(size) from audit_cosignatures where origin = $1 and size <= $2::bigint)
           else $2::bigint end
   order by size desc, signed_at_ms desc limit 1`;
const TOLD_APART = "select next_index from audit_projection";

export interface TreeWanted {
  /** One whose leaves can be told apart by tenant; null: of all. */
  readonly tenant: string | null;
  /** One that a witness cosigned, if not the newest. */
  readonly isWitnessed?: boolean;
}

/**
 * The newest tree of a log that was signed, with the lines that witnesses added.
 * Throws: VIG_AUDIT_NOT_SIGNED; VIG_AUDIT_TABLES_BEHIND; VIG_DATABASE_AWAY.
 */
export async function newestTree(
  db: Queryable,
  origin: string,
  { tenant, isWitnessed = false }: TreeWanted,
): Promise<SignedTree> {
  const upTo = async (size: number): Promise<SignedTree | undefined> =>
    (await db.query<SignedTree>(NEWEST, [origin, size, isWitnessed])).rows[0];
  const newest = await upTo(Number.MAX_SAFE_INTEGER);
  if (newest === undefined) {
    throw new VigError("VIG_AUDIT_NOT_SIGNED", { by: isWitnessed ? "a witness" : "its key" });
  }
  if (tenant === null) return newest;
  const { rows } = await db.query<{ next_index: number }>(TOLD_APART);
  const next = rows[0]?.next_index ?? 0;
  const tree = next >= newest.size ? newest : await upTo(next);
  if (tree !== undefined) return tree;
  throw new VigError("VIG_AUDIT_TABLES_BEHIND", { next, size: newest.size });
}
