import type { RuleAction, RuleMode, RuleSwitch } from "@vigie/core/policy";
import type { SessionAnomaly, Severity } from "./types.ts";

/** A rule, as far as its anomalies tell of it. */
export interface AnomalyRule {
  /** The anomaly's kind, and the rule's name in policies. */
  readonly name: string;
  /** Grows when the same events would be judged otherwise. */
  readonly version: string;
  readonly severity: Exclude<Severity, "UNKNOWN">;
  /** 0..100. */
  readonly riskScore: number;
  /** The rule's own action, when it is not the one its severity stands for. */
  readonly action?: RuleAction;
}

/** What a rule found of a user. */
export interface AnomalyFinding {
  readonly sessionId: string | null;
  /** Event time of the later cause. */
  readonly occurredAtMs: number;
  /** Oldest first. */
  readonly causes: readonly string[];
  readonly evidence: Readonly<Record<string, string>>;
  /** One sentence with what would have had to differ. */
  readonly explanation: string;
}

/** Whose it is and how it was judged. */
export interface AnomalyContext {
  readonly anomalyId: string;
  readonly tenantId: string;
  readonly userId: string;
  /** The policy's switches of the rule for this user. */
  readonly own: RuleSwitch | undefined;
  /** A rule that is off finds nothing. */
  readonly mode: Exclude<RuleMode, "OFF">;
  readonly policyVersion: number;
  readonly detectedAtMs: number;
}

/** What a rule without an action of its own wants done. Source: DESIGN, detector. */
export const actionBySeverity: Readonly<Record<AnomalyRule["severity"], RuleAction>> = {
  LOW: "LOG_ONLY",
  MEDIUM: "LOG_ONLY",
  HIGH: "STEP_UP",
  CRITICAL: "REVOKE",
};

/** A finding as every risk engine reads it: with the risk and the action that the policy wants. */
export const anomalyRecord = (
  rule: AnomalyRule,
  finding: AnomalyFinding,
  { own, ...context }: AnomalyContext,
): SessionAnomaly => ({
  anomaly_id: context.anomalyId,
  tenant_id: context.tenantId,
  user_id: context.userId,
  session_id: finding.sessionId,
  kind: rule.name,
  severity: rule.severity,
  risk_score: own?.risk_score ?? rule.riskScore,
  action: own?.action ?? rule.action ?? actionBySeverity[rule.severity],
  mode: context.mode,
  occurred_at: finding.occurredAtMs,
  detected_at: context.detectedAtMs,
  rule_version: rule.version,
  policy_version: context.policyVersion,
  cause_event_ids: finding.causes,
  evidence: finding.evidence,
  explanation: finding.explanation,
  retracts: null,
});
