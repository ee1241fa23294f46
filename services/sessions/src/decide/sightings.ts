import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { ruleSwitch } from "@vigie/core/policy";
import { expiryOf, idleTimeoutMs } from "@vigie/core/session-deadlines";
import { HOUR_MS, SECOND_MS } from "@vigie/core/time";
import { withSighting } from "../context.ts";
import type { Draft } from "../draft.ts";
import { type Change, knows } from "../evolve.ts";
import type { ActivitySeen, HeartbeatSeen } from "../input.ts";
import type { Session } from "../state.ts";
import { appear, newborn, tombstoneOf } from "./appear.ts";
import { revocationBefore } from "./barriers.ts";
import { hasRunOut, PUBLISH_INTERVAL_MS } from "./time.ts";

type Decision = Outcome<readonly Change[]>;

export function heartbeatSeen(draft: Draft, input: HeartbeatSeen): Decision {
  const live = draft.live(input.sessionId);
  if (live !== null) return sighted(draft, live, input);
  if (misused(draft, input)) return ok(draft.changes);
  const session = adoptable(draft, input);
  if (session === null) return drop("no_effect");
  appear(draft, session);
  return ok(draft.changes);
}

export function activitySeen(draft: Draft, input: ActivitySeen): Decision {
  const live = draft.live(input.sessionId);
  return live === null ? drop("no_effect") : sighted(draft, live, input);
}

function sighted(draft: Draft, live: Session, input: HeartbeatSeen | ActivitySeen): Decision {
  if (hasRunOut(draft, live, input.atMs)) return drop("no_effect");
  const newer = input.atMs >= live.lastSeenMs;
  const seen = {
    ...live,
    ...withSighting(live, input.context, newer),
    lastSeenMs: Math.max(live.lastSeenMs, input.atMs),
    vouchedUntilMs: Math.max(live.vouchedUntilMs, vouchedUntilMs(input)),
  };
  // The version of a session's last record is the time of that record.
  draft.update(seen, draft.setting.nowMs - live.version < PUBLISH_INTERVAL_MS);
  return ok(draft.changes);
}

/** A second factor answers what was asked for before it. */
const vouchedUntilMs = (input: HeartbeatSeen | ActivitySeen): number =>
  input.kind === "activity_seen" && input.isSecondFactor ? input.atMs - 1 : 0;

/** The session that a heartbeat of an unknown one speaks of, or null if it cannot be living. */
function adoptable(draft: Draft, input: HeartbeatSeen): Session | null {
  const { state, setting } = draft;
  const { document } = setting.policy;
  if (knows(state, input.sessionId)) return null;
  const tombstone = tombstoneOf(draft, input.sessionId);
  // Its login will put it on record as logged out; one that was revoked is in use, and whoever honours it is told now.
  if (tombstone !== null && tombstone.revocation === null) return null;
  // An unknown start counts as older than every barrier.
  const startMs = input.startedAtMs ?? Number.NEGATIVE_INFINITY;
  if (state.notBeforeMs > 0 && startMs <= state.notBeforeMs) return null;
  const silentMs = setting.nowMs - input.atMs;
  if (silentMs >= idleTimeoutMs(document, input.context)) return null;
  const session: Session = {
    ...newborn,
    ...input.context,
    id: input.sessionId,
    createdAtMs: Math.min(input.startedAtMs ?? input.atMs, input.atMs),
    startKnown: input.startedAtMs !== null,
    adopted: true,
    lastSeenMs: input.atMs,
    absoluteCapMs: null,
  };
  // Its login may be on the way and tell that it began after all that was revoked; until then nobody vouches for it.
  const isVouchedFor = session.startKnown || tombstone !== null;
  if (!isVouchedFor && revocationBefore(draft, session) !== null) return null;
  return expiryOf(session, document, setting.outages, setting.nowMs) === null ? session : null;
}

/** Time for every enforcement point to hear of a revocation. Source: design, revoked_session_use. */
const REVOCATION_GRACE_MS = 60 * SECOND_MS;
/** A client that goes on sends heartbeats for hours. */
const MISUSE_TOLD_EVERY_MS = HOUR_MS;

/** Whether a revoked session is still in use somewhere, and nobody was told of it lately. */
function misused(draft: Draft, input: HeartbeatSeen): boolean {
  const { state, setting } = draft;
  const ended = state.ended.find(({ id }) => id === input.sessionId);
  if (ended === undefined || ended.revokedAtMs === null) return false;
  const sinceMs = input.atMs - ended.revokedAtMs;
  if (sinceMs <= REVOCATION_GRACE_MS) return false;
  const { misuseToldAtMs } = ended;
  if (misuseToldAtMs !== null && setting.nowMs - misuseToldAtMs < MISUSE_TOLD_EVERY_MS)
    return false;
  const kind = "revoked_session_use";
  if (ruleSwitch(setting.policy.document, kind, input.context).mode === "OFF") return false;
  const sinceS = Math.round(sinceMs / SECOND_MS);
  const graceS = REVOCATION_GRACE_MS / SECOND_MS;
  draft.apply({
    type: "found",
    atMs: setting.nowMs,
    finding: {
      kind,
      sessionId: input.sessionId,
      scope: { channel: input.context.channel, roles: input.context.roles },
      occurredAtMs: input.atMs,
      causes: [input.eventId],
      evidence: {
        seconds_after_revocation: String(sinceS),
        grace_s: String(graceS),
        channel: input.context.channel,
      },
      explanation:
        `The session was in use ${sinceS} s after it was revoked; ` +
        `within ${graceS} s of its revocation it would not have fired.`,
    },
  });
  return true;
}
