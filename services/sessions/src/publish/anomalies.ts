import { ruleSwitch, type VersionedPolicy } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { nameUuid } from "@vigie/service-kit/ids";
import { type Finding, rules } from "../finding.ts";
import type { Owner } from "./owner.ts";

export interface AnomalySetting extends Owner {
  readonly policy: VersionedPolicy;
  readonly nowMs: number;
}

/** A finding as every risk engine reads it; null when its rule is off for this user, who is outside its share. */
export function anomalyOf(
  finding: Finding,
  { tenantId, userId, policy, nowMs }: AnomalySetting,
): SessionAnomaly | null {
  const { kind, sessionId, occurredAtMs } = finding;
  const meta = rules[kind];
  const own = ruleSwitch(policy.document, kind, finding.scope);
  const mode = modeFor(own, kind, { tenantId, userId });
  if (mode === "OFF") return null;
  const causes = finding.causes.length > 0 ? finding.causes : [String(occurredAtMs)];
  return {
    anomaly_id: nameUuid(tenantId, "anomaly", JSON.stringify([kind, userId, sessionId, ...causes])),
    tenant_id: tenantId,
    user_id: userId,
    session_id: sessionId,
    kind,
    severity: meta.severity,
    risk_score: own.risk_score ?? meta.riskScore,
    action: own.action ?? "LOG_ONLY",
    mode,
    occurred_at: occurredAtMs,
    detected_at: nowMs,
    rule_version: meta.version,
    policy_version: policy.version,
    cause_event_ids: finding.causes,
    evidence: finding.evidence,
    explanation: finding.explanation,
    retracts: null,
  };
}
