import { canonicalJson } from "@vigie/core/canonical-json";
import { type AuditAction, NO_USER_AGENT, REVOCATIONS_HELD } from "@vigie/schemas/audit-actions";
import type { Actor, AuditEvent } from "@vigie/schemas/types";
import { nameUuid } from "@vigie/service-kit/ids";
import type { Change, Done } from "../evolve.ts";
import type { Revocation } from "../state.ts";
import type { Owner } from "./owner.ts";

/** Numbers the audit records of a task, without gaps. */
export interface AuditNumbers {
  readonly emitter: string;
  next(): number;
}

export interface AuditSetting extends Owner {
  readonly nowMs: number;
}

/** One deed: what a command did, or what one other cause revoked in this step. */
interface Deed {
  readonly revocation: Revocation;
  readonly done: Done | null;
  /** That of the request, if the person is erased: the record goes with their key, and makes no new one. */
  readonly atMs: number;
  readonly sessionIds: string[];
}

/** REV-14: every command and every other cause of a revocation, one record each. */
export function auditsOf(
  changes: readonly Change[],
  setting: AuditSetting,
  numbers: AuditNumbers,
): readonly AuditEvent[] {
  return deedsOf(changes).map((deed) => auditOf(deed, setting, numbers));
}

function deedsOf(changes: readonly Change[]): readonly Deed[] {
  // Within a step all that one cause revokes has the same object as its revocation.
  const deeds = new Map<Revocation, Deed>();
  for (const change of changes) {
    if (change.type === "done") {
      const { revocation, revokedIds, atMs } = change;
      deeds.set(revocation, { revocation, done: change, atMs, sessionIds: [...revokedIds] });
    } else if (change.type === "ended" && change.revocation !== null) {
      const { revocation, session, atMs } = change;
      const deed = deeds.get(revocation) ?? { revocation, done: null, atMs, sessionIds: [] };
      deed.sessionIds.push(session.id);
      deeds.set(revocation, deed);
    }
  }
  return [...deeds.values()];
}

function auditOf(
  { revocation, done, atMs, sessionIds }: Deed,
  setting: AuditSetting,
  numbers: AuditNumbers,
): AuditEvent {
  const actor = done?.actor ?? actorBehind(revocation);
  const isOne = done === null ? sessionIds.length === 1 : done.scope.kind === "session";
  const impersonating = actor.impersonator_id !== null;
  return {
    ...numbered({ ...setting, nowMs: atMs }, numbers),
    action: (isOne ? "session.revoked" : "sessions.revoked") satisfies AuditAction,
    actor,
    subject_user_id: setting.userId,
    is_impersonation: impersonating,
    impersonated_user_id: impersonating ? actor.id : null,
    payload: canonicalJson({
      ...payloadOf(revocation),
      ...ofCommand(done),
      session_ids: sessionIds,
    }),
  };
}

/** AUD-11: of an epoch's administrator only the edge knows from where they called; no rule has a user agent. */
function actorBehind({ actor }: Revocation): Actor {
  const isPerson = actor.type === "ADMIN" || actor.type === "USER";
  return { ...actor, ip: null, user_agent: isPerson ? NO_USER_AGENT : null };
}

/** The guard's alarms: a step-up was asked for where a rule would have revoked too many. */
export function alarmsOf(
  changes: readonly Change[],
  setting: AuditSetting,
  numbers: AuditNumbers,
): readonly AuditEvent[] {
  const held = changes.filter((change) => change.type === "held");
  return held.map(({ anomalyId, rule }) => ({
    ...numbered(setting, numbers),
    action: REVOCATIONS_HELD,
    actor: { type: "POLICY", id: rule, impersonator_id: null, ip: null, user_agent: null },
    subject_user_id: null,
    is_impersonation: false,
    impersonated_user_id: null,
    payload: canonicalJson({ rule, first_anomaly_id: anomalyId }),
  }));
}

function numbered({ tenantId, nowMs }: AuditSetting, numbers: AuditNumbers) {
  const seq = numbers.next();
  return {
    event_id: nameUuid(tenantId, "event", `${numbers.emitter}|${seq}`),
    tenant_id: tenantId,
    occurred_at: nowMs,
    emitter: numbers.emitter,
    emitter_seq: seq,
  };
}

const payloadOf = (revocation: Revocation) => ({
  reason: revocation.reason,
  command_id: revocation.commandId ?? undefined,
  anomaly_id: revocation.anomalyId ?? undefined,
  epoch_id: revocation.epochId ?? undefined,
});

const ofCommand = (done: Done | null) =>
  done === null
    ? {}
    : {
        batch_id: done.batchId ?? undefined,
        scope: done.scope,
        kept_session_id: done.keptSessionId ?? undefined,
        requested_at: done.requestedAtMs,
        already_ended: done.alreadyEnded,
      };
