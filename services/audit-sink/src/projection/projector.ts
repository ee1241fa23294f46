import { VigError } from "@vigie/core/errors";
import type { OpenLeaves } from "@vigie/service-kit/audit/subjects";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { put, unnest } from "@vigie/service-kit/postgres/unnest";
import { refDestroyedBy } from "../erasure.ts";
import {
  ERASED,
  leafToOpen,
  type PlacedLeaf,
  placedLeaf,
  projectedColumns,
  projectedRow,
  SEALED,
} from "./row.ts";

/** Of one transaction: about 1 MiB, some 50 ms. */
const LEAVES_AT_ONCE = 1_000;

/** How far audit_log is: it holds the leaves below `next`, of `size`. */
export interface Progress {
  readonly next: number;
  readonly size: number;
}

export interface Projector {
  /**
   * Fills in the next leaves, with the position in the same transaction; nothing when another one was faster. Of a log
   * that has become smaller it begins anew.
   * Throws: VIG_AUDIT_LEAF_MISSING, VIG_AUDIT_LEAF_INVALID: the log is not whole, and it goes no further;
   * VIG_DATABASE_AWAY, VIG_KEY_UNKNOWN.
   */
  step(): Promise<Progress>;
  /** Empties audit_log. Whoever fills it, here or in another process, begins from the first leaf. */
  empty(): Promise<void>;
}

const POSITION = "select next_index as next, size from audit_projection, audit_head";
const LEAVES = `
  select index, leaf from audit_leaves where index >= $1 order by index limit ${LEAVES_AT_ONCE}`;
const MOVE = "update audit_projection set next_index = $2 where next_index = $1";
const INSERT = `
  insert into audit_log (${projectedColumns.names})
  select ${projectedColumns.names} from ${projectedColumns.from}`;

const destroyedColumns = unnest({ index: "bigint", tenant_id: "uuid", ref: "uuid" });
/** Only of rows before: what comes after was projected without that key. */
const PSEUDONYMISE = `
  update audit_log held set user_agent = '${ERASED}'
    from ${destroyedColumns.from}
   where held.tenant_id = given.tenant_id and held.actor_ref = given.ref
     and held.index < given.index and held.user_agent <> '${SEALED}'`;

export function createProjector(db: Database, open: OpenLeaves): Projector {
  const empty = (): Promise<void> =>
    db.transaction(async (tx) => {
      await tx.query("update audit_projection set next_index = 0");
      await tx.query("truncate audit_log");
    });
  return {
    empty,
    async step() {
      const { rows } = await db.query<Progress>(POSITION);
      const { next = 0, size = 0 } = rows[0] ?? {};
      if (next === size) return { next, size };
      // The log is another one now: an older copy of it, or one that begins anew.
      if (next > size) {
        await empty();
        return { next: 0, size };
      }
      const leaves = await readLeaves(db, next);
      const opened = await open(db, leaves.map(leafToOpen));
      const filled = leaves.map((placed, i) => projectedRow(placed, opened[i]?.boxes ?? {}));
      const reached = next + leaves.length;
      return db.transaction(async (tx) => {
        const { count } = await tx.query(MOVE, [next, reached]);
        if (count === 0) return { next, size };
        await put(tx, INSERT, projectedColumns, filled);
        await put(tx, PSEUDONYMISE, destroyedColumns, leaves.flatMap(destroyed));
        return { next: reached, size };
      });
    },
  };
}

async function readLeaves(db: Queryable, next: number): Promise<readonly PlacedLeaf[]> {
  const { rows } = await db.query<{ index: number; leaf: Buffer }>(LEAVES, [next]);
  const gap = rows.findIndex(({ index }, i) => index !== next + i);
  if (rows.length === 0 || gap !== -1) {
    throw new VigError("VIG_AUDIT_LEAF_MISSING", { index: next + Math.max(gap, 0) });
  }
  return rows.map(placedLeaf);
}

function destroyed(placed: PlacedLeaf) {
  const ref = refDestroyedBy(placed.leaf);
  if (ref === null) return [];
  return [{ index: placed.index, tenant_id: tenantUuid(placed.leaf.tenant), ref }];
}
