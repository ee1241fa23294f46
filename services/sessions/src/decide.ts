import { assert, assertNever } from "@vigie/core/assert";
import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { expiryOf, idleTimeoutMs, longestLifeMs } from "@vigie/core/session-deadlines";
import { SECOND_MS } from "@vigie/core/time";
import { withLogin, withSighting } from "./context.ts";
import { Draft, type Setting } from "./draft.ts";
import { type Change, knows } from "./evolve.ts";
import type {
  ActivitySeen,
  HeartbeatSeen,
  LoggedOut,
  LoginSucceeded,
  SessionInput,
} from "./input.ts";
import type { Session, Tombstone, UserState } from "./state.ts";

/** Heartbeats alone publish a session at most this often. Source: design, "at most every 30 s a session". */
export const PUBLISH_INTERVAL_MS = 30 * SECOND_MS;

type Decision = Outcome<readonly Change[]>;

/**
 * What an input means for a user's sessions. Pure.
 * A session lives from its first login or heartbeat to its end and never again; what comes after its deadline
 * changes nothing, even if the end itself has not been recorded yet.
 */
export function decide(state: UserState, input: SessionInput, setting: Setting): Decision {
  const { eventHash } = input;
  if (eventHash !== null && state.recentEvents.includes(eventHash)) return drop("duplicate");
  const draft = new Draft(state, setting);
  const decision = judge(draft, input);
  if (decision.kind !== "ok" || eventHash === null) return decision;
  draft.apply({ type: "remembered", eventHash });
  return ok(draft.changes);
}

function judge(draft: Draft, input: SessionInput): Decision {
  switch (input.kind) {
    case "login_succeeded":
      return loginSucceeded(draft, input);
    case "logged_out":
      return loggedOut(draft, input);
    case "heartbeat_seen":
      return heartbeatSeen(draft, input);
    case "activity_seen":
      return activitySeen(draft, input);
    default:
      return assertNever(input);
  }
}

function loginSucceeded(draft: Draft, input: LoginSucceeded): Decision {
  const { state, setting } = draft;
  const live = liveSession(state, input.sessionId);
  if (live !== null) return loginOfKnown(draft, live, input);
  // SES-22: a login that succeeded and has no session to show for it is worth a warning.
  if (knows(state, input.sessionId)) return drop("login_without_session");
  if (input.atMs <= state.notBeforeMs) return drop("login_without_session");

  const session: Session = {
    ...input.context,
    id: input.sessionId,
    version: 0,
    createdAtMs: input.atMs,
    startKnown: true,
    adopted: false,
    lastSeenMs: input.atMs,
    absoluteCapMs: input.absoluteCapMs,
    policyVersion: setting.policy.version,
    stepUpRequiredAtMs: null,
    riskScore: 0,
    pending: false,
  };
  const tombstone = state.tombstones.find(({ id }) => id === session.id);
  draft.begin(session);
  if (tombstone !== undefined) endAtTombstone(draft, session.id, tombstone);
  return ok(draft.changes);
}

/** The logout came first: the session is put on record as the ended one that it is. */
function endAtTombstone(draft: Draft, sessionId: string, tombstone: Tombstone): void {
  const session = liveSession(draft.state, sessionId);
  assert(session !== null, "the session has just begun");
  draft.unearth(tombstone, null);
  draft.end(session, {
    status: "LOGGED_OUT",
    reason: "logout",
    atMs: Math.max(session.createdAtMs, tombstone.atMs),
  });
}

function loginOfKnown(draft: Draft, live: Session, input: LoginSucceeded): Decision {
  if (hasRunOut(draft, live, input.atMs)) return drop("login_without_session");
  const newer = input.atMs >= live.lastSeenMs;
  draft.update(
    {
      ...live,
      ...withLogin(live, input.context, newer || live.adopted),
      adopted: false,
      startKnown: true,
      createdAtMs: Math.min(live.createdAtMs, input.atMs),
      lastSeenMs: Math.max(live.lastSeenMs, input.atMs),
      absoluteCapMs: input.absoluteCapMs ?? live.absoluteCapMs,
    },
    false,
  );
  return ok(draft.changes);
}

function loggedOut(draft: Draft, input: LoggedOut): Decision {
  const { state, setting } = draft;
  const live = liveSession(state, input.sessionId);
  if (live !== null) {
    const atMs = Math.max(live.createdAtMs, input.atMs);
    draft.end(live, { status: "LOGGED_OUT", reason: "logout", atMs });
    return ok(draft.changes);
  }
  const entombed = state.tombstones.some(({ id }) => id === input.sessionId);
  if (entombed || knows(state, input.sessionId)) return drop("no_effect");
  draft.entomb({
    id: input.sessionId,
    atMs: input.atMs,
    recordedAtMs: setting.nowMs,
    forgetAtMs: setting.nowMs + longestLifeMs(setting.policy.document) + setting.maxEventAgeMs,
    revocation: null,
  });
  return ok(draft.changes);
}

function heartbeatSeen(draft: Draft, input: HeartbeatSeen): Decision {
  const live = liveSession(draft.state, input.sessionId);
  if (live !== null) return sighted(draft, live, input);
  const session = adoptable(draft, input);
  if (session === null) return drop("no_effect");
  draft.begin(session);
  return ok(draft.changes);
}

/** The session that a heartbeat of an unknown one speaks of, or null if it cannot be living. */
function adoptable(draft: Draft, input: HeartbeatSeen): Session | null {
  const { state, setting } = draft;
  const { document } = setting.policy;
  if (knows(state, input.sessionId)) return null;
  if (state.tombstones.some(({ id }) => id === input.sessionId)) return null;
  // An unknown start counts as older than every barrier.
  const startMs = input.startedAtMs ?? Number.NEGATIVE_INFINITY;
  if (state.notBeforeMs > 0 && startMs <= state.notBeforeMs) return null;
  const silentMs = setting.nowMs - input.atMs;
  if (silentMs >= idleTimeoutMs(document, input.context)) return null;
  const session: Session = {
    ...input.context,
    id: input.sessionId,
    version: 0,
    createdAtMs: Math.min(input.startedAtMs ?? input.atMs, input.atMs),
    startKnown: input.startedAtMs !== null,
    adopted: true,
    lastSeenMs: input.atMs,
    absoluteCapMs: null,
    policyVersion: setting.policy.version,
    stepUpRequiredAtMs: null,
    riskScore: 0,
    pending: false,
  };
  return expiryOf(session, document, setting.outages, setting.nowMs) === null ? session : null;
}

function activitySeen(draft: Draft, input: ActivitySeen): Decision {
  const live = liveSession(draft.state, input.sessionId);
  return live === null ? drop("no_effect") : sighted(draft, live, input);
}

function sighted(draft: Draft, live: Session, input: HeartbeatSeen | ActivitySeen): Decision {
  if (hasRunOut(draft, live, input.atMs)) return drop("no_effect");
  const newer = input.atMs >= live.lastSeenMs;
  const seen = {
    ...live,
    ...withSighting(live, input.context, newer),
    lastSeenMs: Math.max(live.lastSeenMs, input.atMs),
  };
  // The version of a session's last record is the time of that record.
  draft.update(seen, draft.setting.nowMs - live.version < PUBLISH_INTERVAL_MS);
  return ok(draft.changes);
}

const hasRunOut = (draft: Draft, session: Session, atMs: number): boolean =>
  expiryOf(session, draft.setting.policy.document, draft.setting.outages, atMs) !== null;

const liveSession = (state: UserState, id: string): Session | null =>
  state.live.find((session) => session.id === id) ?? null;
