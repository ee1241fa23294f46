import type { SessionAnomaly, SessionRevoked } from "@vigie/schemas/types";
import type { AnomalyRow, RetractionRow, RevocationRow } from "./columns.ts";
import { anomalyUuid, isoTime, personOf, revocationUuid, sessionOf } from "./ids.ts";

/** What a rule on trial found is kept for study, and is no alarm. */
export const isAlarm = (mode: string): boolean => mode === "ENFORCE";

/** Of an anomaly that withdraws none. */
export function anomalyRow(anomaly: SessionAnomaly): AnomalyRow {
  return {
    id: anomalyUuid(anomaly, anomaly.anomaly_id),
    ...personOf(anomaly),
    ...sessionOf(anomaly, anomaly.session_id),
    anomaly_id: anomaly.anomaly_id,
    kind: anomaly.kind,
    severity: anomaly.severity,
    risk_score: anomaly.risk_score,
    action: anomaly.action,
    mode: anomaly.mode,
    occurred_at: isoTime(anomaly.occurred_at),
    detected_at: isoTime(anomaly.detected_at),
    rule_version: anomaly.rule_version,
    policy_version: anomaly.policy_version,
    cause_event_ids: JSON.stringify(anomaly.cause_event_ids),
    evidence: JSON.stringify(anomaly.evidence),
    explanation: anomaly.explanation,
  };
}

/** Marks the anomaly that `anomaly` withdraws, and its security event; both only if they are of its user. */
export function retractionRow(anomaly: SessionAnomaly, retracts: string): RetractionRow {
  return {
    id: anomalyUuid(anomaly, retracts),
    ...personOf(anomaly),
    retracted_by: anomaly.anomaly_id,
    retracted_at: isoTime(anomaly.detected_at),
  };
}

export function revocationRow(revoked: SessionRevoked): RevocationRow {
  return {
    id: revocationUuid(revoked, revoked.revocation_id),
    ...personOf(revoked),
    ...sessionOf(revoked, revoked.session_id),
    device_key: revoked.device_id,
    channel: revoked.channel,
    revocation_id: revoked.revocation_id,
    revoked_at: isoTime(revoked.revoked_at),
    reason: revoked.reason,
    actor_type: revoked.actor.type,
    actor_id: revoked.actor.id,
    command_id: revoked.command_id,
    anomaly_id: revoked.anomaly_id,
    epoch_id: revoked.epoch_id,
  };
}
