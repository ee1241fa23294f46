import type { Queryable } from "@vigie/service-kit/postgres/database";
import {
  type ChainColumns,
  EMPTY_HEAD,
  faultOf,
  type Head,
  type SignedColumns,
  type Signer,
} from "./chain.ts";
import { chainedNames, type DerivedColumns, derivedOf } from "./rows.ts";

export interface Verdict {
  /** Rows that are as they were written. */
  readonly sound: number;
  readonly head: Head;
  /** The first row that is not, or null. */
  readonly bad: { readonly index: number; readonly why: string } | null;
}

const PAGE_ROWS = 2_000;

const PAGE = `
  select ${chainedNames}, tenant_id, to_char(occurred_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as occurred_at
    from audit_log where index > $1 order by index limit ${PAGE_ROWS}`;

/**
 * Recomputes the whole chain. Rows cut off at its end are seen only against `anchor`, a head that was noted
 * elsewhere: it must still be in the chain.
 */
export async function verifyAudit(
  db: Queryable,
  signers: ReadonlyMap<string, Signer>,
  anchor: Head = EMPTY_HEAD,
): Promise<Verdict> {
  let head = EMPTY_HEAD;
  for (;;) {
    const { rows } = await db.query<Stored>(PAGE, [head.index]);
    for (const row of rows) {
      const why = faultOfRow(row, head, signers);
      if (why !== null) return { sound: head.index, head, bad: { index: head.index + 1, why } };
      head = { index: row.index, entryHash: row.entry_hash, signature: row.signature };
      if (head.index === anchor.index && head.signature !== anchor.signature) {
        const why = "it is not the row that was noted";
        return { sound: head.index - 1, head, bad: { index: head.index, why } };
      }
    }
    if (rows.length < PAGE_ROWS) break;
  }
  const cut = head.index < anchor.index;
  const bad = cut ? { index: head.index + 1, why: "the end of the chain is missing" } : null;
  return { sound: head.index, head, bad };
}

type Stored = SignedColumns & ChainColumns & DerivedColumns;

function faultOfRow(
  { tenant_id, occurred_at, ...row }: Stored,
  head: Head,
  signers: ReadonlyMap<string, Signer>,
): string | null {
  const why = faultOf(row, head, signers);
  if (why !== null) return why;
  const derived = derivedOf(row);
  const agrees = derived.tenant_id === tenant_id && derived.occurred_at === occurred_at;
  return agrees ? null : "tenant_id or occurred_at does not follow from the signed columns";
}
