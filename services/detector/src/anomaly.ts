import type { VersionedPolicy } from "@vigie/core/policy";
import { modeFor } from "@vigie/core/policy-shares";
import { anomalyRecord } from "@vigie/schemas/anomaly";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { uuidV5 } from "@vigie/service-kit/uuid-v5";
import type { EnrichedEvent, Finding, RuleMeta } from "#rules/rule";

/** A finding as the record that is published: with the action and mode that the policy wants. */
export function anomalyOf(
  meta: RuleMeta,
  finding: Finding,
  owner: Pick<EnrichedEvent, "tenantId" | "userId">,
  policy: VersionedPolicy,
  detectedAtMs: number,
): SessionAnomaly {
  const own = policy.document.rules[meta.name];
  const { tenantId, userId } = owner;
  const mode = modeFor(own, meta.name, owner, meta.mode);
  return anomalyRecord(meta, finding, {
    anomalyId: uuidOf([meta.name, tenantId, userId, ...finding.identity]),
    tenantId,
    userId,
    own,
    mode: mode === "SHADOW" ? "SHADOW" : "ENFORCE",
    policyVersion: policy.version,
    detectedAtMs,
  });
}

/** Any fixed UUID keeps our names apart from those of others; this one was drawn at random. */
const NAMESPACE = Buffer.from("5b1f3d0c7c1e4f6aa0d9b7f4e2c86d15", "hex");

/** Of the parts as a JSON array, which no part can imitate. */
export const uuidOf = (parts: readonly string[]): string =>
  uuidV5(NAMESPACE, JSON.stringify(parts));
