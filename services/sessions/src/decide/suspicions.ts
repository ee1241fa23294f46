import { drop, type Outcome, ok } from "@vigie/core/outcome";
import type { Draft } from "../draft.ts";
import { eventHash } from "../event-hash.ts";
import type { Change } from "../evolve.ts";
import type { AnomalyFound, RiskDecided } from "../input.ts";
import { byAnomaly } from "../revocations.ts";
import type { Session, Suspicion } from "../state.ts";
import { startMs } from "./barriers.ts";
import { revokeAll, revokeOne } from "./commands.ts";

type Decision = Outcome<readonly Change[]>;

const NONE = Number.NEGATIVE_INFINITY;

/** ANO-12: an anomaly in force acts on the session that it names; one that SIRA has decided about only tells a risk. */
export function anomalyFound(draft: Draft, input: AnomalyFound): Decision {
  const { action, atMs, eventId, retracts, riskScore, rule, sessionId } = input;
  if (retracts !== null) return retracted(draft, retracts);
  if (!input.isEnforced || sessionId === null || draft.hasEnded(sessionId)) {
    return drop("no_effect");
  }
  const causeHash = input.eventHash;
  const suspicion = { causeHash, sessionId, riskScore, recordedAtMs: draft.setting.nowMs };
  const decided = draft.state.suspicions.find((other) => other.causeHash === causeHash);
  if (decided !== undefined) {
    draft.suspect({ ...suspicion, stepUpAtMs: decided.stepUpAtMs });
    return ok(draft.changes);
  }
  const isGrave = action === "REVOKE" || action === "BLOCK";
  const { left, isHeldTold } = draft.setting.guard;
  if (isGrave && left > 0) {
    revokeOne(draft, sessionId, atMs, byAnomaly(rule, eventId));
    return ok(draft.changes);
  }
  if (isGrave && !isHeldTold) {
    draft.apply({ type: "held", rule, anomalyId: eventId, atMs: draft.setting.nowMs });
  }
  const asks = isGrave || action === "STEP_UP";
  draft.suspect({ ...suspicion, stepUpAtMs: asks ? atMs : null });
  return ok(draft.changes);
}

/**
 * What is withdrawn weighs nothing any more, and of the retraction itself nothing else counts. What it brought about
 * stays: a session that it ended is ended, and a step-up that it asked for is answered by a second factor or by SIRA.
 */
function retracted(draft: Draft, causeHash: bigint): Decision {
  const known = draft.state.suspicions.find((other) => other.causeHash === causeHash);
  if (known === undefined) return drop("no_effect");
  draft.suspect({ ...known, riskScore: 0 });
  return ok(draft.changes);
}

/** ANO-13: SIRA's word overrides the action of an anomaly, whichever of the two comes first, and is never held back. */
export function riskDecided(draft: Draft, input: RiskDecided): Decision {
  const { action, anomalyId, atMs, eventHash: causeHash, sessionId } = input;
  const { nowMs } = draft.setting;
  const suspicion = { sessionId, riskScore: 0, recordedAtMs: nowMs };
  switch (action) {
    case "LOG_ONLY":
      for (const session of draft.state.live) {
        if (sessionId === null || session.id === sessionId) vouch(draft, session, atMs);
      }
      break;
    case "STEP_UP":
      draft.suspect({ ...suspicion, causeHash, stepUpAtMs: atMs });
      break;
    case "REVOKE":
    case "BLOCK":
      revoke(draft, input);
      break;
    default:
      return drop("unknown_kind");
  }
  const anomalyHash = anomalyId === null ? null : eventHash(anomalyId);
  const isNews = draft.state.suspicions.every((other) => other.causeHash !== anomalyHash);
  if (anomalyHash !== null && isNews) {
    draft.suspect({ ...suspicion, causeHash: anomalyHash, stepUpAtMs: null });
  }
  return ok(draft.changes);
}

function revoke(draft: Draft, { anomalyId, atMs, reason, sessionId }: RiskDecided): void {
  const actor = { type: "SYSTEM", id: "sira", impersonator_id: null } as const;
  const revocation = { reason, actor, commandId: null, anomalyId, epochId: null };
  if (sessionId !== null) revokeOne(draft, sessionId, atMs, revocation);
  else revokeAll(draft, { scope: { kind: "user" }, atMs, keptSessionId: null }, revocation);
}

/** Step-ups that were asked for at or before `untilMs` are done with. */
function vouch(draft: Draft, session: Session, untilMs: number): void {
  if (untilMs <= session.vouchedUntilMs) return;
  draft.update({ ...session, vouchedUntilMs: untilMs }, false);
}

/** Brings risk and step-up of every live session in line with what is held against it. */
export function weigh(draft: Draft): void {
  for (const session of draft.state.live) {
    const weighed = weighOne(session, draft.state.suspicions);
    const { riskScore, stepUpRequiredAtMs } = session;
    const same =
      weighed.riskScore === riskScore && weighed.stepUpRequiredAtMs === stepUpRequiredAtMs;
    if (!same) draft.update({ ...session, ...weighed }, false);
  }
}

type Weight = Pick<Session, "riskScore" | "stepUpRequiredAtMs">;

function weighOne(session: Session, suspicions: readonly Suspicion[]): Weight {
  let riskScore = 0;
  let stepUpAtMs = NONE;
  for (const suspicion of suspicions) {
    if (!isAgainst(suspicion, session)) continue;
    riskScore = Math.max(riskScore, suspicion.riskScore);
    stepUpAtMs = Math.max(stepUpAtMs, suspicion.stepUpAtMs ?? NONE);
  }
  return { riskScore, stepUpRequiredAtMs: stepUpAtMs > session.vouchedUntilMs ? stepUpAtMs : null };
}

/** Without a session it means all of the user's that had begun by then. */
export const isAgainst = (suspicion: Suspicion, session: Session): boolean =>
  suspicion.sessionId === null
    ? startMs(session) <= (suspicion.stepUpAtMs ?? NONE)
    : suspicion.sessionId === session.id;
