import type { AuditEntry, AuditTrail, RefusedAttempt } from "./audit-trail.ts";

export interface MemoryAudit extends AuditTrail {
  readonly entries: readonly AuditEntry[];
  readonly refusals: readonly RefusedAttempt[];
}

/** An audit trail for tests: keeps what it is told. `clock` stands for the broker's. */
export function memoryAudit(clock: () => number = Date.now): MemoryAudit {
  const entries: AuditEntry[] = [];
  const refusals: RefusedAttempt[] = [];
  return {
    entries,
    refusals,
    async record(entry) {
      entries.push(entry);
      return { recordedAtMs: clock() };
    },
    denied(attempt) {
      refusals.push(attempt);
    },
  };
}
