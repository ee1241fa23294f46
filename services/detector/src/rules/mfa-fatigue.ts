import { CHALLENGE_COUNT_MAX, type PolicyDocument } from "@vigie/core/policy";
import { MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { type Burst, counted, noBurst, readBurst, writeBurst } from "#state/burst";
import {
  type EnrichedEvent,
  type Finding,
  idText,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

/** Challenges of the second factor until the user gives in. Source: MITRE ATT&CK T1621. */
export const meta: RuleMeta = {
  name: "mfa_fatigue",
  part: 10,
  version: "1",
  events: ["mfa_challenge"],
  severity: "HIGH",
  riskScore: 75,
  settings: ["mfa_fatigue"],
};

type Limits = PolicyDocument["mfa_fatigue"];

export function step(burst: Burst, event: EnrichedEvent, policy: PolicyDocument): Step<Burst> {
  const limits = policy.mfa_fatigue;
  const next = counted(burst, event, {
    count: limits.challenge_count,
    windowMs: limits.window_minutes * MINUTE_MS,
    kept: CHALLENGE_COUNT_MAX,
  });
  if (next.alert === null) return quiet(next.burst);
  return { state: next.burst, findings: [finding(next.alert, event, limits)] };
}

function finding(window: Burst, event: EnrichedEvent, limits: Limits): Finding {
  const times = window.map(({ atMs }) => atMs);
  const [firstMs, lastMs] = [Math.min(...times), Math.max(...times)];
  const causes = window.map(({ eventId }) => idText(eventId));
  // Cut, not rounded: 599.9 s are not the window that would have been too long.
  const elapsedS = String(Math.floor((lastMs - firstMs) / SECOND_MS));
  const windowS = String((limits.window_minutes * MINUTE_MS) / SECOND_MS);
  return {
    sessionId: event.sessionId,
    occurredAtMs: lastMs,
    causes,
    identity: causes.slice(0, 1),
    evidence: {
      challenges: String(causes.length),
      elapsed_s: elapsedS,
      window_s: windowS,
      limit: String(limits.challenge_count),
    },
    explanation:
      `${causes.length} challenges of the second factor came within ${elapsedS} s; with fewer than ` +
      `${limits.challenge_count}, or ${windowS} s or more from the first to the last, it would not have fired.`,
  };
}

export const mfaFatigue: Rule<Burst> = {
  meta,
  initial: noBurst,
  step,
  write: writeBurst,
  read: readBurst,
};
