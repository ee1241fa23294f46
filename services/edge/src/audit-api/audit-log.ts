import type {
  ExportSource,
  LeafRange,
  SignedTree,
  StoredLeaf,
} from "@vigie/service-kit/audit/export";
import type { LeafFilter } from "@vigie/service-kit/audit/leaf-filter";
import type { Place } from "./place.ts";

export interface PageWanted {
  readonly after: Place | null;
  readonly limit: number;
}

/** Leaves that pass a filter, newest first; fewer than wanted may pass of those that were looked at. */
export interface FoundPage {
  readonly leaves: readonly StoredLeaf[];
  /** Where the next page begins after; null at the end. */
  readonly next: Place | null;
}

/** The audit log as the edge reads it. Every call is a short transaction of its own. Throws: VIG_DATABASE_AWAY. */
export interface AuditLog extends ExportSource {
  /** The newest tree that was signed; null before the first. */
  signedTree(): Promise<SignedTree | null>;
  /** By the time of the action, then by index. */
  find(filter: LeafFilter, page: PageWanted): Promise<FoundPage>;
  /** What stands for a person in leaves; null for one of whom there is none, or no more. `user`: by either id. */
  refOf(tenant: string, user: string): Promise<string | null>;
}

/** The range of one leaf. */
export const only = (tenant: string | null, index: number): LeafRange => ({
  tenant,
  from: index,
  until: index + 1,
  limit: 1,
});
