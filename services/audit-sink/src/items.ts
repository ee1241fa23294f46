import type { SubjectErasure } from "@vigie/schemas/types";
import type { AuditEntry, Origin } from "./entry.ts";

/** An entry, and the record's value as it came; null: the log's own. */
export interface AuditItem {
  readonly entry: AuditEntry;
  readonly value: Uint8Array | null;
}

/** PRV-14: a person whose key is to be destroyed. */
export interface Erasure {
  readonly request: SubjectErasure;
  readonly origin: Origin;
}
