import type { PolicyScope } from "@vigie/core/policy";
import type { Severity } from "@vigie/schemas/types";

/** What this service finds by itself; the detector does the rest. */
export const rules = {
  concurrent_sessions: { version: "1", severity: "MEDIUM", riskScore: 45 },
  revoked_session_use: { version: "1", severity: "HIGH", riskScore: 85 },
} as const satisfies Record<string, RuleMeta>;

interface RuleMeta {
  /** Grows when the same events would be judged otherwise. */
  readonly version: string;
  readonly severity: Severity;
  /** 0..100. */
  readonly riskScore: number;
}

export type FindingKind = keyof typeof rules;

/** Something is wrong with a user's sessions. Nothing is done about it here: both kinds are LOG_ONLY unless the policy says more. */
export interface Finding {
  readonly kind: FindingKind;
  readonly sessionId: string;
  /** Whose switches of the rule count. */
  readonly scope: PolicyScope;
  /** Event time of the cause. */
  readonly occurredAtMs: number;
  readonly causes: readonly string[];
  readonly evidence: Readonly<Record<string, string>>;
  /** One sentence with what would have had to differ. */
  readonly explanation: string;
}
