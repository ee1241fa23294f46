import { assertNever } from "@vigie/core/assert";
import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { Draft, type Setting } from "../draft.ts";
import type { Change } from "../evolve.ts";
import type { SessionInput } from "../input.ts";
import type { UserState } from "../state.ts";
import { revocationBefore } from "./barriers.ts";
import { commanded, passwordChanged } from "./commands.ts";
import { erasureRequested } from "./erase.ts";
import { keepWithinLimits } from "./limits.ts";
import { loggedOut, loginSucceeded } from "./logins.ts";
import { activitySeen, heartbeatSeen } from "./sightings.ts";
import { anomalyFound, riskDecided, weigh } from "./suspicions.ts";
import { endOutlived } from "./time.ts";

/** What speaks of sessions, and is none of their events. */
const REVOKING: ReadonlySet<SessionInput["kind"]> = new Set([
  "commanded",
  "password_changed",
  "anomaly_found",
  "risk_decided",
]);

/** What comes ahead of a backlog of events: see the orders of the inputs in app.ts. None of it begins a session. */
const URGENT: ReadonlySet<SessionInput["kind"]> = new Set([
  "commanded",
  "anomaly_found",
  "risk_decided",
  "erasure_requested",
]);

type Decision = Outcome<readonly Change[]>;

/**
 * What an input means for a user's sessions. Pure.
 * A session lives from its first login or heartbeat to its end and never again; what comes after its deadline
 * changes nothing, even if the end itself has not been recorded yet.
 */
export function decide(state: UserState, input: SessionInput, setting: Setting): Decision {
  const eventHash = "eventHash" in input ? input.eventHash : null;
  if (eventHash !== null && state.recentEvents.includes(eventHash)) return drop("duplicate");
  const draft = new Draft(state, setting);
  if (REVOKING.has(input.kind)) endOutlived(draft);
  const decision = judge(draft, input);
  if (decision.kind !== "ok") return decision;
  settle(draft, input);
  if (eventHash !== null) draft.apply({ type: "remembered", eventHash });
  return ok(draft.changes);
}

function judge(draft: Draft, input: SessionInput): Decision {
  switch (input.kind) {
    case "login_succeeded":
      return loginSucceeded(draft, input);
    case "logged_out":
      return loggedOut(draft, input);
    case "password_changed":
      return passwordChanged(draft, input);
    case "heartbeat_seen":
      return heartbeatSeen(draft, input);
    case "activity_seen":
      return activitySeen(draft, input);
    case "commanded":
      return commanded(draft, input);
    case "erasure_requested":
      return erasureRequested(draft, input);
    case "anomaly_found":
      return anomalyFound(draft, input);
    case "risk_decided":
      return riskDecided(draft, input);
    default:
      return assertNever(input);
  }
}

/** What holds after every step, whatever it was: nobody lives behind a barrier or an epoch, and no more than may. */
export function settle(draft: Draft, cause: SessionInput | null): void {
  for (const session of draft.state.live) {
    const revocation = revocationBefore(draft, session);
    if (revocation !== null) draft.revoke(session, revocation);
  }
  const isAhead = cause !== null && URGENT.has(cause.kind);
  keepWithinLimits(draft, cause, isAhead);
  weigh(draft);
}
