import type {
  ExportSource,
  LeafRange,
  SignedTree,
  StoredLeaf,
} from "@vigie/service-kit/audit/export";
import type { LeafFilter } from "@vigie/service-kit/audit/leaf-filter";
import type { TreeWanted } from "@vigie/service-kit/audit/leaves";
import type { Place } from "./place.ts";

export interface PageWanted {
  readonly after: Place | null;
  readonly limit: number;
}

/** Leaves that meet a filter, newest first. Fewer than wanted may do so of those that one page looks at. */
export interface FoundPage {
  readonly leaves: readonly StoredLeaf[];
  /** Where the next page begins after; null at the end. */
  readonly next: Place | null;
  /** Leaves below this index were searched; those behind come within a moment, or while the tables are rebuilt. */
  readonly searchedTo: number;
}

/** The audit log as the edge reads it. Every call is a short transaction of its own. Throws: VIG_DATABASE_AWAY. */
export interface AuditLog extends ExportSource {
  /** False where there are no keys: then boxes stay sealed, whoever asks. */
  readonly canOpen: boolean;
  /** The newest tree that was signed. Throws: VIG_AUDIT_NOT_SIGNED, VIG_AUDIT_TABLES_BEHIND. */
  signedTree(wanted: TreeWanted): Promise<SignedTree>;
  /** By the time of the action, then by index. */
  find(filter: LeafFilter, page: PageWanted): Promise<FoundPage>;
  /**
   * What stands for a person in leaves; null for one of whom there is none, or no more. `user`: by either id, or ref;
   * by ref alone in all tenants (null), since ids are of one.
   */
  refOf(tenant: string | null, user: string): Promise<string | null>;
}

/** The range of one leaf. */
export const only = (tenant: string | null, index: number): LeafRange => ({
  tenant,
  from: index,
  until: index + 1,
  limit: 1,
});
