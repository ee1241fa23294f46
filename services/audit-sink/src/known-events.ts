import { parseLeaf } from "@vigie/audit-log/leaf";
import { textArray } from "@vigie/service-kit/postgres/binary-array";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { AuditItem } from "./items.ts";
import type { Signers } from "./signer.ts";

/** An entry with the digest of its identity under the key that signs now. */
export interface Digested extends AuditItem {
  readonly digest: string;
}

export interface Sorted {
  readonly added: readonly Digested[];
  /** Came again with the same content. */
  readonly repeated: number;
  /** Came again with another content. */
  readonly conflicts: readonly Digested[];
}

const KNOWN = `
  select tenant_key, event_id, leaf, key_id
    from unnest($1::text[], $2::text[]) as given (tenant_key, event_id)
    join audit_leaves using (tenant_key, event_id)`;

/** New, repeated, or another event under a known id; within the batch as well. */
export async function sortOut(
  tx: Queryable,
  items: readonly AuditItem[],
  signers: Signers,
): Promise<Sorted> {
  const asked = readKnown(tx, items);
  // While PostgreSQL looks them up.
  const digests = items.map(({ entry }) => signers.current.digest(entry.identity));
  const known = await asked;
  const added: Digested[] = [];
  const conflicts: Digested[] = [];
  let repeated = 0;
  for (const [at, item] of items.entries()) {
    const { tenantKey, eventId, identity } = item.entry;
    const name = nameOf(tenantKey, eventId);
    const before = known.get(name);
    const digest = digests[at] as string;
    if (before === undefined) {
      known.set(name, { digest, keyId: signers.current.keyId });
      added.push({ ...item, digest });
    } else if (isSame(before, identity, signers)) repeated += 1;
    else conflicts.push({ ...item, digest });
  }
  return { added, repeated, conflicts };
}

interface Known {
  readonly digest: string;
  readonly keyId: string;
}

/**
 * A digest under a key that is gone cannot be compared: the id alone decides then. That of a leaf which was restored is
 * under the key of when it was made, and its row names the key of when it was restored.
 */
function isSame({ digest, keyId }: Known, identity: string, { byId }: Signers): boolean {
  if (!byId.has(keyId)) return true;
  return [...byId.values()].some((signer) => signer.digest(identity) === digest);
}

async function readKnown(tx: Queryable, items: readonly AuditItem[]): Promise<Map<string, Known>> {
  if (items.length === 0) return new Map();
  const { rows } = await tx.query<KnownRow>(KNOWN, [
    textArray(items.map(({ entry }) => entry.tenantKey)),
    textArray(items.map(({ entry }) => entry.eventId)),
  ]);
  return new Map(
    rows.map((row) => [
      nameOf(row.tenant_key, row.event_id),
      { digest: digestOf(row.leaf), keyId: row.key_id },
    ]),
  );
}

interface KnownRow {
  readonly tenant_key: string;
  readonly event_id: string;
  readonly leaf: Buffer;
  readonly key_id: string;
}

/** No event is the same as a leaf that somebody has spoilt: what comes again is kept aside, with an alarm. */
function digestOf(leaf: Buffer): string {
  try {
    return parseLeaf(leaf).digest;
  } catch {
    return "";
  }
}

/** A tenant has no "|" in its name. */
const nameOf = (tenantKey: string, eventId: string): string => `${tenantKey}|${eventId}`;
