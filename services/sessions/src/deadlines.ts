import type { PolicyDocument } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { Channel } from "@vigie/schemas/types";
import type { EndReason, EndStatus, Session } from "./state.ts";

/** How long a session of this channel may be silent, ms. A USSD dialogue is short (USS-01). */
export function idleTimeoutMs(policy: PolicyDocument, channel: Channel): number {
  const { minutes } = channel === "USSD" ? policy.ussd_idle_timeout : policy.idle_timeout;
  return minutes * MINUTE_MS;
}

export const absoluteTimeoutMs = (policy: PolicyDocument): number =>
  policy.absolute_timeout.hours * HOUR_MS;

export interface Deadlines {
  /** When the session ends if nothing more is seen of it; never after the absolute end. */
  readonly idleAtMs: number;
  readonly absoluteAtMs: number;
}

/** Derived whenever they are needed, so that a changed policy holds for sessions that began before it. */
export function deadlinesOf(session: Session, policy: PolicyDocument): Deadlines {
  const byPolicyMs = session.createdAtMs + absoluteTimeoutMs(policy);
  const cappedMs = Math.min(byPolicyMs, session.absoluteCapMs ?? byPolicyMs);
  // An issuer's end before the start would put the end before it, too.
  const absoluteAtMs = Math.max(session.createdAtMs, cappedMs);
  const silentAtMs = session.lastSeenMs + idleTimeoutMs(policy, session.channel);
  return { idleAtMs: Math.min(silentAtMs, absoluteAtMs), absoluteAtMs };
}

export interface Expiry {
  readonly status: EndStatus;
  readonly reason: EndReason;
  readonly atMs: number;
}

/** How a session has run out at `atMs`, or null while it lives. It ends at the deadline, not after it. */
export function expiryOf(session: Session, policy: PolicyDocument, atMs: number): Expiry | null {
  const { idleAtMs, absoluteAtMs } = deadlinesOf(session, policy);
  if (atMs < idleAtMs) return null;
  return idleAtMs < absoluteAtMs
    ? { status: "IDLE_EXPIRED", reason: "idle_timeout", atMs: idleAtMs }
    : { status: "EXPIRED", reason: "absolute_timeout", atMs: absoluteAtMs };
}
