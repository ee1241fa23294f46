import type { PolicyScope } from "@vigie/core/policy";
import type { AnomalyFinding, AnomalyRule } from "@vigie/schemas/anomaly";

/** What this service finds by itself; the detector does the rest. Nothing is done about it unless the policy says so. */
export const rules = {
  concurrent_sessions: {
    name: "concurrent_sessions",
    version: "1",
    severity: "MEDIUM",
    riskScore: 45,
  },
  revoked_session_use: {
    name: "revoked_session_use",
    version: "1",
    severity: "HIGH",
    riskScore: 85,
    action: "LOG_ONLY",
  },
} as const satisfies Record<string, AnomalyRule>;

export type FindingKind = keyof typeof rules;

/** Something is wrong with a user's sessions. */
export interface Finding extends AnomalyFinding {
  readonly kind: FindingKind;
  readonly sessionId: string;
  /** Whose switches of the rule count. */
  readonly scope: PolicyScope;
}
