import { type PolicyOverlay, RULE_NAMES, type RuleSwitch } from "../policy.ts";

/** The rules that the detector began with, and that its throughput is held against. */
export const THREE_RULES = ["impossible_travel", "fingerprint_mismatch", "bruteforce"] as const;

/** A policy that switches every other rule off, as an operator would. */
export const threeRulesOnly: PolicyOverlay = {
  rules: Object.fromEntries(
    RULE_NAMES.filter((name) => !(THREE_RULES as readonly string[]).includes(name)).map(
      (name): [string, RuleSwitch] => [name, { mode: "OFF" }],
    ),
  ),
};
