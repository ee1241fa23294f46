import type { AuditEntry, AuditTrail, OwnDeed, RefusedAttempt } from "./audit-trail.ts";

export interface MemoryAudit extends AuditTrail {
  readonly entries: readonly AuditEntry[];
  readonly own: readonly OwnDeed[];
  readonly refusals: readonly RefusedAttempt[];
}

/** An audit trail for tests: keeps what it is told. `clock` stands for the broker's. */
export function memoryAudit(clock: () => number = Date.now): MemoryAudit {
  const entries: AuditEntry[] = [];
  const own: OwnDeed[] = [];
  const refusals: RefusedAttempt[] = [];
  return {
    entries,
    own,
    refusals,
    async record(entry) {
      entries.push(entry);
      return { recordedAtMs: clock() };
    },
    async recordOwn(deed) {
      own.push(deed);
      return { recordedAtMs: clock() };
    },
    denied(attempt) {
      refusals.push(attempt);
    },
  };
}
