import { mayBeUnheard } from "@vigie/core/outages";
import { deadlinesOf, expiryOf } from "@vigie/core/session-deadlines";
import { SECOND_MS } from "@vigie/core/time";
import type { Draft } from "../draft.ts";
import type { Session } from "../state.ts";

/** Heartbeats alone publish a session at most this often. Source: design, "at most every 30 s a session". */
export const PUBLISH_INTERVAL_MS = 30 * SECOND_MS;

/** Whether a session was over at that time, though its end may not be on record yet. */
export const hasRunOut = ({ setting }: Draft, session: Session, atMs: number): boolean =>
  expiryOf(session, setting.policy.document, setting.outages, atMs) !== null;

/** Puts every session on record as ended that has run out by now, but for those that may only have been unheard. */
export function endRunOut(draft: Draft): void {
  const { policy, outages, nowMs, heardUntilMs } = draft.setting;
  for (const session of draft.state.live) {
    const expiry = expiryOf(session, policy.document, outages, nowMs);
    if (expiry === null) continue;
    const isIdle = expiry.status === "IDLE_EXPIRED";
    if (isIdle && mayBeUnheard(expiry.atMs, heardUntilMs, nowMs)) continue;
    draft.end(session, expiry);
  }
}

/**
 * The same for those alone that are past the absolute end of the policy, which no event on its way can move: a login may
 * bring a later end of the issuer's. Commands come ahead of a backlog that may hold heartbeats: who seems silent to
 * them is revoked, so that whoever honours it is told.
 */
export function endOutlived(draft: Draft): void {
  const { policy, outages, nowMs } = draft.setting;
  for (const session of draft.state.live) {
    const uncapped = { ...session, absoluteCapMs: null };
    const { absoluteExpiresAtMs } = deadlinesOf(uncapped, policy.document, outages);
    const expiry = expiryOf(session, policy.document, outages, nowMs);
    if (expiry !== null && nowMs >= absoluteExpiresAtMs) draft.end(session, expiry);
  }
}
