import { assert } from "@vigie/core/assert";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { enqueue } from "@vigie/service-kit/postgres/outbox";

/** Key of the document that every tenant's is laid over. */
export const DEFAULT_TENANT_KEY = "*";
export const POLICY_TOPIC = "id.session.policy";

/** A tenant's own document as it is stored. */
export interface StoredPolicy {
  /** From 1, one more with every change. */
  readonly version: number;
  /** As it was written: only what differs. */
  readonly document: object;
  readonly updatedAtMs: number;
  /** Who wrote it. */
  readonly updatedBy: string;
}

export interface StoredPolicies {
  /** Of the tenant itself; null while it has none. */
  readonly own: StoredPolicy | null;
  /** Of "*". */
  readonly common: StoredPolicy | null;
}

export interface PolicyChange {
  readonly tenantId: string;
  /** What the writer has seen; 0: no document yet. */
  readonly seenVersion: number;
  readonly next: StoredPolicy;
  /** The value for id.session.policy that goes out with the commit. */
  readonly record: Buffer;
}

export type ChangeOutcome =
  | { readonly kind: "changed" }
  /** Somebody else was first. */
  | { readonly kind: "stale"; readonly version: number };

/** Where policies are changed. */
export interface PolicyStore {
  /** Throws: VIG_DATABASE_AWAY. */
  read(tenantId: string): Promise<StoredPolicies>;
  /**
   * Replaces the document if it is still the one that was seen, and publishes the change, both or neither.
   * `beforeCommit` is told what was there before; when it throws nothing is changed.
   * Throws: VIG_DATABASE_AWAY; then it may have been changed all the same.
   */
  change(
    change: PolicyChange,
    beforeCommit: (before: StoredPolicy | null) => Promise<void>,
  ): Promise<ChangeOutcome>;
}

const COLUMNS = "tenant_key, version, document, updated_at, updated_by";
const READ = `
  select ${COLUMNS} from session_policies
   where tenant_id = $1 or tenant_key = '${DEFAULT_TENANT_KEY}'`;
const LOCK = `select ${COLUMNS} from session_policies where tenant_id = $1 for update`;
const INSERT = `
  insert into session_policies (tenant_id, tenant_key, version, document, updated_at, updated_by)
  values ($1, $2, $3, $4, $5, $6) on conflict do nothing`;
const UPDATE = `
  update session_policies set version = $3, document = $4, updated_at = $5, updated_by = $6
   where tenant_id = $1 and tenant_key = $2 and version = $7`;

interface Row {
  readonly tenant_key: string;
  readonly version: number;
  readonly document: object;
  readonly updated_at: Date;
  readonly updated_by: string;
}

export function postgresPolicies(database: Database): PolicyStore {
  return {
    read: (tenantId) =>
      database.inTenant(tenantId, async (tx) => {
        const { rows } = await tx.query<Row>(READ, [tenantUuid(tenantId)]);
        const find = (key: string) => rows.find(({ tenant_key }) => tenant_key === key);
        return { own: storedOf(find(tenantId)), common: storedOf(find(DEFAULT_TENANT_KEY)) };
      }),
    change: (change, beforeCommit) =>
      database.inTenant(change.tenantId, async (tx) => {
        const { tenantId, seenVersion, record } = change;
        const { rows } = await tx.query<Row>(LOCK, [tenantUuid(tenantId)]);
        const before = storedOf(rows[0]);
        if ((before?.version ?? 0) !== seenVersion || !(await put(tx, change))) {
          return { kind: "stale", version: before?.version ?? 1 };
        }
        await enqueue(tx, { topic: POLICY_TOPIC, key: tenantId, value: record });
        await beforeCommit(before);
        return { kind: "changed" };
      }),
  };
}

/** False: another writer of the first document was faster. */
async function put(tx: Queryable, { tenantId, seenVersion, next }: PolicyChange): Promise<boolean> {
  assert(next.version === seenVersion + 1, "versions grow by one");
  const values = [
    tenantUuid(tenantId),
    tenantId,
    next.version,
    JSON.stringify(next.document),
    new Date(next.updatedAtMs),
    next.updatedBy,
  ];
  const { count } =
    seenVersion === 0
      ? await tx.query(INSERT, values)
      : await tx.query(UPDATE, [...values, seenVersion]);
  return count === 1;
}

function storedOf(row: Row | undefined): StoredPolicy | null {
  if (row === undefined) return null;
  const { version, document, updated_at, updated_by } = row;
  return { version, document, updatedAtMs: updated_at.getTime(), updatedBy: updated_by };
}
