import { type Outages, silenceEndsAt } from "./outages.ts";
import { absoluteHoursMax, type PolicyDocument, type PolicyScope, policyFor } from "./policy.ts";
import { HOUR_MS, MINUTE_MS } from "./time.ts";

/** What the deadlines of a session follow from. */
export interface SessionTimes extends PolicyScope {
  readonly createdAtMs: number;
  readonly lastSeenMs: number;
  /** Hard end set by the issuer, or null. */
  readonly absoluteCapMs: number | null;
}

export interface Deadlines {
  /** When the session ends if nothing more is seen of it; never after the absolute end. */
  readonly idleExpiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
}

/** How long a session may be silent, ms. */
export const idleTimeoutMs = (policy: PolicyDocument, scope: PolicyScope): number =>
  policyFor(policy, scope).idle_timeout.minutes * MINUTE_MS;

/** How long any session may live, ms: what is kept against one that nobody has seen yet is kept so long. */
export const longestLifeMs = (policy: PolicyDocument): number => absoluteHoursMax(policy) * HOUR_MS;

/**
 * Derived whenever they are needed, so that a changed policy holds for sessions that began before it. An outage moves
 * the idle end, never the absolute one.
 */
export function deadlinesOf(
  session: SessionTimes,
  policy: PolicyDocument,
  outages: Outages,
): Deadlines {
  const { absolute_timeout: absolute, idle_timeout: idle } = policyFor(policy, session);
  const byPolicyMs = session.createdAtMs + absolute.hours * HOUR_MS;
  const cappedMs = Math.min(byPolicyMs, session.absoluteCapMs ?? byPolicyMs);
  // An issuer's end before the start would put the end before it, too.
  const absoluteExpiresAtMs = Math.max(session.createdAtMs, cappedMs);
  const silentAtMs = silenceEndsAt(session.lastSeenMs, idle.minutes * MINUTE_MS, outages);
  return { idleExpiresAtMs: Math.min(silentAtMs, absoluteExpiresAtMs), absoluteExpiresAtMs };
}

export type Expiry =
  | { readonly status: "IDLE_EXPIRED"; readonly reason: "idle_timeout"; readonly atMs: number }
  | { readonly status: "EXPIRED"; readonly reason: "absolute_timeout"; readonly atMs: number };

/** How a session has run out at `atMs`, or null while it lives. It ends at the deadline, not after it. */
export function expiryOf(
  session: SessionTimes,
  policy: PolicyDocument,
  outages: Outages,
  atMs: number,
): Expiry | null {
  const { idleExpiresAtMs, absoluteExpiresAtMs } = deadlinesOf(session, policy, outages);
  if (atMs < idleExpiresAtMs) return null;
  return idleExpiresAtMs < absoluteExpiresAtMs
    ? { status: "IDLE_EXPIRED", reason: "idle_timeout", atMs: idleExpiresAtMs }
    : { status: "EXPIRED", reason: "absolute_timeout", atMs: absoluteExpiresAtMs };
}
