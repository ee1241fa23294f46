/**
 * The policy of a tenant: what the sources name, with their fields.
 * Every number has a default here; a tenant's document holds only what differs.
 */
export type RuleMode = "ENFORCE" | "SHADOW" | "OFF";
export type RuleAction = "LOG_ONLY" | "STEP_UP" | "REVOKE" | "BLOCK";

/** Switches of one rule: its mode, and the action that overrides the one its severity suggests. */
export interface RuleSwitch {
  readonly mode?: RuleMode;
  readonly action?: RuleAction;
}

export interface PolicyDocument {
  /** POL-03, HBT-02: a silent session ends after this. */
  readonly idle_timeout: { readonly minutes: number };
  /** POL-03, HBT-03: any session ends after this. */
  readonly absolute_timeout: { readonly hours: number };
  /** POL-04, ANO-07: more failures than this within an hour are brute force. */
  readonly max_failed_mfa_hour: { readonly count: number };
  /** POL-04, CNF-01: strictly above fires. */
  readonly impossible_travel: { readonly kmh_threshold: number };
  /** POL-04, ANO-06: strictly below fires. */
  readonly fp_mismatch_tolerance: { readonly score_min: number };
  /** USS-01: USSD sessions are short. */
  readonly ussd_idle_timeout: { readonly minutes: number };
  readonly rules: Readonly<Record<string, RuleSwitch>>;
}

/** Source of the numbers: REQUIREMENTS POL-03, POL-04; USSD gateways close a silent dialogue within 3 min. */
export const defaultPolicy: PolicyDocument = {
  idle_timeout: { minutes: 30 },
  absolute_timeout: { hours: 720 },
  max_failed_mfa_hour: { count: 5 },
  impossible_travel: { kmh_threshold: 900 },
  fp_mismatch_tolerance: { score_min: 0.85 },
  ussd_idle_timeout: { minutes: 3 },
  rules: {},
};

/** A policy and the version that its decisions carry; 0 is the built-in default. */
export interface VersionedPolicy {
  readonly version: number;
  readonly document: PolicyDocument;
}

/** A tenant's document laid over the default of all; a missing field keeps the default's value. */
export function overlayPolicy(base: PolicyDocument, over: Partial<PolicyDocument>): PolicyDocument {
  return { ...base, ...over, rules: { ...base.rules, ...over.rules } };
}
