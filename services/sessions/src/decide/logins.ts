import { assert } from "@vigie/core/assert";
import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { withLogin } from "../context.ts";
import type { Draft } from "../draft.ts";
import { type Change, knows } from "../evolve.ts";
import type { LoggedOut, LoginSucceeded } from "../input.ts";
import type { Session, Tombstone } from "../state.ts";
import { hasRunOut } from "./time.ts";

type Decision = Outcome<readonly Change[]>;

export function loginSucceeded(draft: Draft, input: LoginSucceeded): Decision {
  const { state, setting } = draft;
  const live = draft.live(input.sessionId);
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

/** Its end came first: the session is put on record as the ended one that it is. */
function endAtTombstone(draft: Draft, sessionId: string, tombstone: Tombstone): void {
  const session = draft.live(sessionId);
  assert(session !== null, "the session has just begun");
  draft.unearth(tombstone, null);
  const { revocation } = tombstone;
  const atMs = Math.max(session.createdAtMs, tombstone.atMs);
  if (revocation === null) draft.end(session, { status: "LOGGED_OUT", reason: "logout", atMs });
  else draft.revoke(session, revocation);
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

export function loggedOut(draft: Draft, input: LoggedOut): Decision {
  const live = draft.live(input.sessionId);
  if (live !== null) {
    const atMs = Math.max(live.createdAtMs, input.atMs);
    draft.end(live, { status: "LOGGED_OUT", reason: "logout", atMs });
    return ok(draft.changes);
  }
  if (draft.hasEnded(input.sessionId)) return drop("no_effect");
  draft.entomb(input.sessionId, input.atMs, null);
  return ok(draft.changes);
}
