import type { VersionedPolicy } from "@vigie/core/policy";
import type { SessionAnomaly } from "@vigie/schemas/types";
import type { Emit } from "@vigie/stream/processor";
import type { EnrichedEvent, Finding, RuleMeta } from "#rules/rule";
import { anomalyOf, uuidOf } from "./anomaly.ts";

/** An event, and what it is judged by. */
export interface Case {
  readonly event: EnrichedEvent;
  readonly policy: VersionedPolicy;
  /** Of the user. */
  readonly key: string;
  readonly nowMs: number;
}

/** A finding, and whose it is. */
export interface Verdict extends Case {
  readonly meta: RuleMeta;
  readonly finding: Finding;
  /** The candidate that found it; null: the policy in force. */
  readonly candidate: string | null;
  /** The policy in force found it, and a candidate would have told the very same. */
  readonly isShared: boolean;
}

/** How a finding becomes a record. */
export type Tell = (verdict: Verdict) => Emit<string>;

/** What candidates find is an output of its own: nothing of it is counted as detected. */
export const CANDIDATE = "candidate";

/** As the risk engine and the sessions read it. What a candidate finds has an id of its own and is never acted on. */
export const publish: Tell = (verdict) => {
  const { meta, finding, event, policy, key, nowMs, candidate } = verdict;
  const anomaly = anomalyOf(meta, finding, event, policy, nowMs);
  if (candidate === null) return { output: meta.name, key, value: anomaly };
  const { tenantId, userId } = event;
  const value: SessionAnomaly = {
    ...anomaly,
    anomaly_id: uuidOf([CANDIDATE, candidate, meta.name, tenantId, userId, ...finding.identity]),
    mode: "SHADOW",
    evidence: { ...anomaly.evidence, candidate },
  };
  return { output: CANDIDATE, key, value };
};
