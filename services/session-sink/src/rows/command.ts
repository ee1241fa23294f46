import type {
  RevocationAck,
  RiskDecision,
  SessionCommand,
  SessionCommandResult,
  SessionEpoch,
  SessionPolicy,
  SubjectErasurePart,
} from "@vigie/schemas/types";
import { nameUuid, tenantUuid } from "@vigie/service-kit/ids";
import type * as columns from "./columns-security.ts";
import { isoTime, personOf, revocationUuid, sessionOf } from "./ids.ts";

const commandUuid = (tenantId: string, commandId: string): string =>
  nameUuid(tenantId, "command", commandId);

/** Who asked, without address and agent: those are the audit's (PRV-12). */
export function commandRow(command: SessionCommand): columns.CommandRow {
  const requestedAt = isoTime(command.requested_at);
  return {
    id: commandUuid(command.tenant_id, command.command_id),
    ...personOf(command),
    command_id: command.command_id,
    batch_id: command.batch_id,
    requested_at: requestedAt,
    kind: command.kind,
    session_key: command.session_id,
    device_key: command.device_id,
    channel: command.channel,
    keep_session_key: command.keep_session_id,
    reason: command.reason,
    actor_type: command.actor.type,
    actor_id: command.actor.id,
    impersonator_id: command.actor.impersonator_id,
    noted_at: requestedAt,
  };
}

export function resultRow(result: SessionCommandResult): columns.ResultRow {
  const decidedAt = isoTime(result.decided_at);
  return {
    id: commandUuid(result.tenant_id, result.command_id),
    ...personOf(result),
    command_id: result.command_id,
    batch_id: result.batch_id,
    decided_at: decidedAt,
    revoked_session_keys: JSON.stringify(result.revoked_session_ids),
    already_ended: result.already_ended,
    noted_at: decidedAt,
  };
}

/** CNF-12 */
export function decisionRow(decision: RiskDecision): columns.DecisionRow {
  return {
    id: nameUuid(decision.tenant_id, "decision", decision.decision_id),
    ...personOf(decision),
    ...sessionOf(decision, decision.session_id),
    decision_id: decision.decision_id,
    anomaly_id: decision.anomaly_id,
    action: decision.action,
    decided_at: isoTime(decision.decided_at),
    reason: decision.reason,
  };
}

export const ackRow = (ack: RevocationAck): columns.AckRow => ({
  tenant_id: tenantUuid(ack.tenant_id),
  revocation: revocationUuid(ack, ack.revocation_id),
  enforcement_point: ack.enforcement_point,
  revocation_id: ack.revocation_id,
  acted_at: isoTime(ack.acted_at),
});

export const pointRow = (ack: RevocationAck): columns.PointRow => ({
  tenant_id: tenantUuid(ack.tenant_id),
  name: ack.enforcement_point,
  last_acted_at: isoTime(ack.acted_at),
});

export const epochRow = (epoch: SessionEpoch): columns.EpochRow => ({
  tenant_id: tenantUuid(epoch.tenant_id),
  scope: epoch.scope,
  value: epoch.value ?? "",
  tenant_key: epoch.tenant_id,
  epoch_id: epoch.epoch_id,
  not_before: isoTime(epoch.not_before),
  reason: epoch.reason,
  actor_type: epoch.actor.type,
  actor_id: epoch.actor.id,
});

export const policyChangeRow = (policy: SessionPolicy): columns.PolicyChangeRow => ({
  tenant_id: tenantUuid(policy.tenant_id),
  tenant_key: policy.tenant_id,
  version: policy.version,
  updated_at: isoTime(policy.updated_at),
  actor_type: policy.actor.type,
  actor_id: policy.actor.id,
  document: policy.document,
});

export const erasurePartRow = (told: SubjectErasurePart): columns.ErasurePartRow => ({
  tenant_id: tenantUuid(told.tenant_id),
  erasure_id: told.erasure_id,
  part: told.part,
  done_at: isoTime(told.done_at),
});
