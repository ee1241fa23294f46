import { createHash } from "node:crypto";
import type { RuleAction, VersionedPolicy } from "@vigie/core/policy";
import type { SessionAnomaly } from "@vigie/schemas/types";
import type { EnrichedEvent, Finding, RuleMeta, Severity } from "#rules/rule";

/** Source: DESIGN, detector. */
const actionOf: Readonly<Record<Severity, RuleAction>> = {
  LOW: "LOG_ONLY",
  MEDIUM: "LOG_ONLY",
  HIGH: "STEP_UP",
  CRITICAL: "REVOKE",
};

/** A finding as the record that is published: with the action and mode that the policy wants. */
export function anomalyOf(
  meta: RuleMeta,
  finding: Finding,
  event: EnrichedEvent,
  policy: VersionedPolicy,
  detectedAtMs: number,
): SessionAnomaly {
  const own = policy.document.rules[meta.name];
  const mode = own?.mode ?? meta.mode;
  const { tenantId, userId } = event;
  return {
    anomaly_id: uuidOf([meta.name, tenantId, userId, ...finding.identity]),
    tenant_id: tenantId,
    user_id: userId,
    session_id: finding.sessionId,
    kind: meta.name,
    severity: meta.severity,
    risk_score: own?.risk_score ?? meta.riskScore,
    action: own?.action ?? meta.action ?? actionOf[meta.severity],
    mode: mode === "SHADOW" ? "SHADOW" : "ENFORCE",
    occurred_at: finding.occurredAtMs,
    detected_at: detectedAtMs,
    rule_version: meta.version,
    policy_version: policy.version,
    cause_event_ids: finding.causes,
    evidence: finding.evidence,
    explanation: finding.explanation,
    retracts: null,
  };
}

/** Any fixed UUID keeps our names apart from those of others; this one was drawn at random. */
const NAMESPACE = Buffer.from("5b1f3d0c7c1e4f6aa0d9b7f4e2c86d15", "hex");

/** Source: RFC 9562, section 5.5 (UUID version 5), over the parts as a JSON array, which no part can imitate. */
export function uuidOf(parts: readonly string[]): string {
  const hash = createHash("sha1").update(NAMESPACE).update(JSON.stringify(parts)).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  const hex = hash.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
