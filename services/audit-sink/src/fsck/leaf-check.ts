import { type Leaf, parseLeaf } from "@vigie/audit-log/leaf";
import { leafHash } from "@vigie/audit-log/tree";
import { messageOf } from "@vigie/core/errors";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { Finding, FindingKind, LeafRow } from "./log-source.ts";

/** AUD-02: whether a signature is the one of this hash under the secret of `keyId`; null: no such secret is known. */
export type VerifyRecord = (keyId: string, hash: Buffer, signature: Buffer) => boolean | null;

export interface CheckedLeaf {
  /** Its place in the tree: of the two that the row tells, the one that was signed. */
  readonly hash: Buffer;
  readonly faults: readonly Finding[];
}

/** What is wrong with a row by itself: its place in the tree is another matter. */
export function checkLeaf(row: LeafRow, verify: VerifyRecord): CheckedLeaf {
  const faults: Finding[] = [];
  const found = (kind: FindingKind, why: string): void => {
    faults.push({ kind, where: `leaf ${row.index}`, why });
  };
  const told = [leafHash(row.leaf), row.leaf_hash] as const;
  const agrees = told[0].equals(told[1]);
  if (!agrees) found("tampered", "leaf_hash is not the hash of its bytes");
  const isSigned = (hash: Buffer) => verify(row.key_id, hash, row.signature);
  const signed = told.find((hash) => isSigned(hash) !== false);
  if (signed === undefined) found("tampered", "its signature is of another leaf");
  else if (isSigned(signed) === null) found("unreadable", `secret ${row.key_id} is not known`);
  const leaf = read(row.leaf);
  if (typeof leaf === "string") found(agrees ? "unreadable" : "tampered", leaf);
  else for (const column of columnsThatDiffer(row, leaf)) found("tampered", `${column} is another`);
  return { hash: signed ?? told[0], faults };
}

function read(bytes: Buffer): Leaf | string {
  try {
    return parseLeaf(bytes);
  } catch (error) {
    return messageOf(error);
  }
}

/** Columns beside the leaf that do not say what it says. */
function columnsThatDiffer(row: LeafRow, leaf: Leaf): readonly string[] {
  const said = { tenant_key: leaf.tenant, event_id: leaf.id, tenant_id: tenantUuid(leaf.tenant) };
  return Object.entries(said).flatMap(([column, value]) =>
    row[column as keyof typeof said] === value ? [] : [column],
  );
}
