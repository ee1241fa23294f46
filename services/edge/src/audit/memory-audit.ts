import type { AuditEntry, AuditTrail } from "./audit-trail.ts";

/** An audit trail for tests: keeps what it is told. */
export function memoryAudit(): AuditTrail & {
  readonly entries: readonly AuditEntry[];
  readonly refusals: readonly Omit<AuditEntry, "action" | "subjectUserId">[];
} {
  const entries: AuditEntry[] = [];
  const refusals: Omit<AuditEntry, "action" | "subjectUserId">[] = [];
  return {
    entries,
    refusals,
    async record(entry) {
      entries.push(entry);
    },
    denied(entry) {
      refusals.push(entry);
    },
  };
}
