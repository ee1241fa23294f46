import type { PolicyDocument } from "@vigie/core/policy";
import {
  causedBy,
  type EnrichedEvent,
  noState,
  type Rule,
  type RuleMeta,
  type Step,
  stateless,
} from "./rule.ts";

/** Its memory is the user's habits. */
export const meta: RuleMeta = {
  name: "unusual_channel",
  part: 16,
  version: "1",
  events: ["login_success"],
  severity: "MEDIUM",
  riskScore: 35,
  settings: ["unusual_channel"],
};

export function step(_: null, event: EnrichedEvent, policy: PolicyDocument): Step<null> {
  const { channel, habits } = event;
  const { share_min_percent: percentMin, logins_min: loginsMin } = policy.unusual_channel;
  if (channel === "UNKNOWN" || habits.logins < loginsMin) return stateless;
  const { count, of } = habits.onChannel(channel);
  if (count * 100 >= percentMin * of) return stateless;
  return {
    state: null,
    findings: [
      {
        ...causedBy(event),
        evidence: {
          channel,
          logins_on_channel: String(count),
          logins: String(of),
          share_min_percent: String(percentMin),
        },
        explanation:
          `A login by ${channel}, as ${count} of the last ${of} were; ` +
          `with ${percentMin} % of them or more it would not have fired.`,
      },
    ],
  };
}

export const unusualChannel: Rule<null> = {
  meta,
  ...noState,
  step,
};
