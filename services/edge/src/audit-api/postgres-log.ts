import { VigError } from "@vigie/core/errors";
import { inReach, leavesIn, newestTree, storedLeaf } from "@vigie/service-kit/audit/leaves";
import { createOpenLeaves, type OpenLeaves } from "@vigie/service-kit/audit/subjects";
import { isUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { Statement } from "@vigie/service-kit/postgres/statement";
import type { AuditLog, FoundPage } from "./audit-log.ts";
import { type FindPage, type FoundRow, findStatement } from "./find-statement.ts";

export interface PostgresLogOptions {
  readonly database: Database;
  /** Null, or null so far: boxes stay sealed. */
  keys(): Keys | null;
  /** Name of the log. */
  readonly origin: string;
}

const REF = `
  select ref from audit_subjects where tenant_id = $1::uuid and (user_id = $2::uuid or ref = $2::uuid)`;
const REF_OF_ALL = "select ref from audit_subjects where ref = $1::uuid";

const sayRef = (tenant: string | null, user: string): Statement =>
  tenant === null
    ? { text: REF_OF_ALL, values: [user] }
    : { text: REF, values: [tenantUuid(tenant), uuidOf(tenant, "user", user)] };

/** The audit log as the sink wrote it; what is read of it is one tenant's unless all are asked for. */
export function postgresLog({ database, keys, origin }: PostgresLogOptions): AuditLog {
  let opener: OpenLeaves | null = null;
  function open(): OpenLeaves | null {
    const held = keys();
    if (held !== null) opener ??= createOpenLeaves(held);
    return opener;
  }
  return {
    ...leavesIn(database, open),
    get canOpen() {
      return open() !== null;
    },
    signedTree: (wanted) => newestTree(database, origin, wanted),
    find: (filter, page) =>
      inReach(database, filter.tenant ?? null, async (tx) => {
        const { text, values } = findStatement(filter, page);
        return foundPage((await tx.query<FoundRow>(text, values)).rows, page);
      }),
    async refOf(tenant, user) {
      if (tenant === null && !isUuid(user)) return null;
      const { text, values } = sayRef(tenant, user);
      return inReach(database, tenant, async (tx) => {
        return (await tx.query<{ ref: string }>(text, values)).rows[0]?.ref ?? null;
      });
    },
  };
}

/** The next page begins after the last entry of this one, or where the scan ended. */
function foundPage(rows: readonly FoundRow[], { limit }: FindPage): FoundPage {
  const matching = rows.filter(({ found_index, matches }) => found_index !== null && matches);
  const items = matching.slice(0, limit);
  // A leaf that is gone is not passed over in silence.
  const gone = items.find(({ has_leaf }) => !has_leaf);
  if (gone !== undefined) {
    throw new VigError("VIG_AUDIT_LEAF_MISSING", { index: gone.found_index ?? 0 });
  }
  const end =
    matching.length > limit ? items.at(-1) : rows.find(({ is_last_scanned }) => is_last_scanned);
  return {
    leaves: items.map(storedLeaf),
    next:
      end === undefined ? null : { atMs: end.occurred_at.getTime(), index: end.found_index ?? 0 },
    searchedTo: rows[0]?.next_index ?? 0,
  };
}
