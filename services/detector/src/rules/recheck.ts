import type { PolicyDocument } from "@vigie/core/policy";
import type { EnrichedEvent, Rule } from "./rule.ts";

/** What is left of an anomaly when its events are looked at again. */
export interface Alarm {
  readonly evidence: Readonly<Record<string, string>>;
}

/**
 * Whether an anomaly of the rule stands, now that its events (oldest first) were looked up in newer data on addresses.
 * What the newer data does not know contradicts nothing; nor should a policy that was changed meanwhile.
 */
export type Stands = (
  alarm: Alarm,
  events: readonly EnrichedEvent[],
  policy: PolicyDocument,
) => boolean;

/** Whether the rule finds anything in these events when it knows of nothing before them. */
export function findsAnew<S>(
  rule: Pick<Rule<S>, "initial" | "step">,
  events: readonly EnrichedEvent[],
  policy: PolicyDocument,
): boolean {
  let { initial: state } = rule;
  return events.some((event) => {
    const step = rule.step(state, event, policy);
    state = step.state;
    return step.findings.length > 0;
  });
}

/** Whether the event has no place because the data knows none of its address. */
export const isPlaceUnknown = ({ position, address }: EnrichedEvent): boolean =>
  position === null && address.place === null && address.isAnchor;
