import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { withLogin } from "../context.ts";
import type { Draft } from "../draft.ts";
import { type Change, knows } from "../evolve.ts";
import type { LoggedOut, LoginSucceeded } from "../input.ts";
import type { Session } from "../state.ts";
import { appear, newborn } from "./appear.ts";
import { hasRunOut } from "./time.ts";

type Decision = Outcome<readonly Change[]>;

export function loginSucceeded(draft: Draft, input: LoginSucceeded): Decision {
  const { state } = draft;
  const live = draft.live(input.sessionId);
  if (live !== null) return loginOfKnown(draft, live, input);
  // SES-22: a login that succeeded and has no session to show for it is worth a warning.
  if (knows(state, input.sessionId)) return drop("login_without_session");
  if (input.atMs <= state.notBeforeMs) return drop("login_without_session");

  const session: Session = {
    ...newborn,
    ...input.context,
    id: input.sessionId,
    createdAtMs: input.atMs,
    startKnown: true,
    adopted: false,
    lastSeenMs: input.atMs,
    absoluteCapMs: input.absoluteCapMs,
  };
  appear(draft, session);
  return ok(draft.changes);
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
