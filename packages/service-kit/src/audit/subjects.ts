import { type BoxKey, boxAad, boxKeyOf, commitmentOf, openBox } from "@vigie/audit-log/box";
import type { Leaf, LeafBox } from "@vigie/audit-log/leaf";
import { VigError } from "@vigie/core/errors";
import type { Keys } from "../kms/keys.ts";
import type { Queryable } from "../postgres/database.ts";
import { openTenantKey, unwrapSecret } from "./subject-keys.ts";

/** What of a leaf can be read with the keys there are. */
export interface OpenedLeaf {
  /** Plaintexts of boxes, by ref; of an erased person none. */
  readonly boxes: Readonly<Record<string, string>>;
  /** The payload that was too large for the leaf. */
  readonly aside: string | null;
}

/** Opens leaves, of all tenants whose rows the connection may see. */
export type OpenLeaves = (db: Queryable, leaves: readonly Leaf[]) => Promise<readonly OpenedLeaf[]>;

/** Where a payload that did not fit belongs: no box has this place. */
export const asideAad = (tenant: string, eventId: string, ref: string): string =>
  `${boxAad({ tenant, eventId, ref })}|payload`;

const SUBJECTS = `
  select subject.ref, subject.wrapped_key, held.tenant_key, held.key_id, held.envelope
    from audit_subjects subject
    join audit_tenant_keys held using (tenant_id, key_id)
   where subject.ref = any($1::uuid[])`;

interface SubjectRow {
  readonly ref: string;
  readonly wrapped_key: Buffer;
  readonly tenant_key: string;
  readonly key_id: string;
  readonly envelope: Buffer;
}

const ASIDE = `
  select tenant_key, event_id, ref, sealed
    from audit_large_payloads
    join unnest($1::text[], $2::text[]) as wanted (tenant_key, event_id)
      using (tenant_key, event_id)`;

interface AsideRow {
  readonly tenant_key: string;
  readonly event_id: string;
  readonly ref: string | null;
  readonly sealed: Buffer;
}

/** Keys of tenants that are kept open; there are few, and each costs a decryption. */
const TENANT_KEYS_MAX = 1_000;

/**
 * The reader of boxes: from ref to key, unwrapped by `keys`. A box that does not open, because its key is destroyed or
 * somebody changed a row, is left out: the log's proofs tell which of both. Throws: VIG_DATABASE_AWAY, VIG_KEY_UNKNOWN.
 */
export function createOpenLeaves(keys: Keys): OpenLeaves {
  const tenantKeys = new Map<string, Buffer>();

  function tenantKeyOf({ tenant_key, key_id, envelope }: SubjectRow): Buffer {
    const name = `${tenant_key}|${key_id}`;
    const known = tenantKeys.get(name);
    if (known !== undefined) return known;
    if (tenantKeys.size >= TENANT_KEYS_MAX) tenantKeys.clear();
    const key = openTenantKey(keys, tenant_key, envelope);
    tenantKeys.set(name, key);
    return key;
  }

  async function keysOf(db: Queryable, refs: readonly string[]) {
    if (refs.length === 0) return new Map<string, BoxKey>();
    const { rows } = await db.query<SubjectRow>(SUBJECTS, [refs]);
    const opened = rows.flatMap((row): [string, BoxKey][] => {
      const secret = unlessSpoilt(() => unwrapSecret(tenantKeyOf(row), row.ref, row.wrapped_key));
      return secret === null ? [] : [[row.ref, boxKeyOf(secret)]];
    });
    return new Map(opened);
  }

  return async (db, leaves) => {
    const boxKeys = await keysOf(db, [...new Set(leaves.flatMap(refsOf))]);
    const asides = await asidesOf(db, leaves);
    return leaves.map((leaf) => ({
      boxes: Object.fromEntries(leaf.boxes.flatMap((box) => plaintextOf(leaf, box, boxKeys))),
      aside: asideOf(leaf, asides.get(nameOf(leaf.tenant, leaf.id)), boxKeys),
    }));
  };
}

const refsOf = ({ boxes }: Leaf): readonly string[] => boxes.map(({ ref }) => ref);
const nameOf = (tenant: string, eventId: string): string => `${tenant}|${eventId}`;

function plaintextOf(
  { tenant, id }: Leaf,
  box: LeafBox,
  boxKeys: ReadonlyMap<string, BoxKey>,
): [ref: string, plaintext: string][] {
  const key = boxKeys.get(box.ref);
  if (key === undefined) return [];
  const opened = unlessSpoilt(() =>
    openBox(key, box, boxAad({ tenant, eventId: id, ref: box.ref })),
  );
  return opened === null ? [] : [[box.ref, opened.plaintext]];
}

async function asidesOf(
  db: Queryable,
  leaves: readonly Leaf[],
): Promise<ReadonlyMap<string, AsideRow>> {
  const wanted = leaves.filter(({ payload_aside }) => payload_aside !== undefined);
  if (wanted.length === 0) return new Map();
  const ids = [wanted.map(({ tenant }) => tenant), wanted.map(({ id }) => id)];
  const { rows } = await db.query<AsideRow>(ASIDE, ids);
  return new Map(rows.map((row) => [nameOf(row.tenant_key, row.event_id), row]));
}

function asideOf(
  { tenant, id, payload_aside }: Leaf,
  row: AsideRow | undefined,
  boxKeys: ReadonlyMap<string, BoxKey>,
): string | null {
  if (row === undefined || payload_aside === undefined) return null;
  const { commitment } = payload_aside;
  const { ref, sealed } = row;
  if (ref === null) return commitmentOf(sealed) === commitment ? sealed.toString() : null;
  const key = boxKeys.get(ref);
  if (key === undefined) return null;
  const box = { commitment, sealed: sealed.toString("base64") };
  return unlessSpoilt(() => openBox(key, box, asideAad(tenant, id, ref)))?.plaintext ?? null;
}

function unlessSpoilt<T>(open: () => T): T | null {
  try {
    return open();
  } catch (error) {
    if (error instanceof VigError && error.code === "VIG_CIPHERTEXT_INVALID") return null;
    throw error;
  }
}
