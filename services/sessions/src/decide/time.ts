import { mayBeUnheard } from "@vigie/core/outages";
import { expiryOf } from "@vigie/core/session-deadlines";
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
