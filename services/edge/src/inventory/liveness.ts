import { partitionOf, userKey } from "@vigie/core/keys";
import type { Outages } from "@vigie/core/outages";
import type { PolicyDocument } from "@vigie/core/policy";
import { deadlinesOf, expiryOf, type SessionTimes } from "@vigie/core/session-deadlines";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { DeniableSession, Denial } from "@vigie/service-kit/sessions/view";
import { channelOfRow, deniableOf, type SessionRow } from "./session-rows.ts";

/** What counts now, whatever the tables say yet. */
export interface InForce {
  policyOf(tenantId: string): PolicyDocument;
  /** By a revocation or an epoch. */
  denialOf(session: DeniableSession): Denial | null;
  /** Of the partition in which a user lies. */
  outagesOf(partition: number): Outages;
}

/** A session as every list shows it. */
export interface JudgedSession {
  readonly row: SessionRow;
  readonly isActive: boolean;
  readonly status: string;
  /** When it ends, or ended, if nothing more is seen of it. */
  readonly expiresAtMs: number;
  readonly endedAtMs: number | null;
  readonly endReason: string | null;
}

/**
 * The one place that says whether a session in a list is active: its row is, its deadlines by the policy in force
 * have not passed, and neither a revocation nor an epoch denies it (REV-12: at once, before any row has changed).
 */
export function judge(row: SessionRow, inForce: InForce, nowMs: number): JudgedSession {
  if (row.status !== "ACTIVE") {
    return {
      row,
      isActive: false,
      status: row.status,
      expiresAtMs: row.expires_at.getTime(),
      endedAtMs: row.terminated_at?.getTime() ?? null,
      endReason: row.termination_reason,
    };
  }
  const policy = inForce.policyOf(row.tenant_key);
  const user = userKey(row.tenant_key, row.user_key);
  const outages = inForce.outagesOf(partitionOf(user, PARTITIONS_DEFAULT));
  const times = timesOf(row);
  const expiresAtMs = deadlinesOf(times, policy, outages).idleExpiresAtMs;
  const denial = inForce.denialOf(deniableOf(row));
  if (denial !== null) {
    const endedAtMs = denial.deniedAtMs;
    const endReason = "revoked";
    return { row, isActive: false, status: "REVOKED", expiresAtMs, endedAtMs, endReason };
  }
  const expiry = expiryOf(times, policy, outages, nowMs);
  return {
    row,
    isActive: expiry === null,
    status: expiry?.status ?? "ACTIVE",
    expiresAtMs,
    endedAtMs: expiry?.atMs ?? null,
    endReason: expiry?.reason ?? null,
  };
}

const timesOf = (row: SessionRow): SessionTimes => ({
  createdAtMs: row.created_at.getTime(),
  lastSeenMs: row.last_activity.getTime(),
  channel: channelOfRow(row),
  roles: row.session_data.roles ?? [],
  // Never later than when it was published: of the ends it follows from, the row keeps the earliest.
  absoluteCapMs: row.absolute_expires_at?.getTime() ?? null,
});
