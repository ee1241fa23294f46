import { ruleSwitch, type VersionedPolicy } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import { anomalyRecord } from "@vigie/schemas/anomaly";
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
  const own = ruleSwitch(policy.document, kind, finding.scope);
  const mode = modeFor(own, kind, { tenantId, userId });
  if (mode === "OFF") return null;
  const causes = finding.causes.length > 0 ? finding.causes : [String(occurredAtMs)];
  const identity = JSON.stringify([kind, userId, sessionId, ...causes]);
  return anomalyRecord(rules[kind], finding, {
    anomalyId: nameUuid(tenantId, "anomaly", identity),
    tenantId,
    userId,
    own,
    mode,
    policyVersion: policy.version,
    detectedAtMs: nowMs,
  });
}
