import type { PolicyDocument } from "@vigie/core/policy";
import { DAY_MS } from "@vigie/core/time";
import { isOtherData } from "@vigie/geoip/place";
import { isPlaceUnknown, type Stands } from "./recheck.ts";
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
  name: "country_change",
  part: 15,
  version: "1",
  events: ["login_success"],
  severity: "MEDIUM",
  riskScore: 40,
  settings: ["country_change"],
};

export function step(_: null, event: EnrichedEvent, policy: PolicyDocument): Step<null> {
  const { position, habits, atMs } = event;
  const { days, logins_min: loginsMin } = policy.country_change;
  if (position === null || position.country === "" || habits.logins < loginsMin) return stateless;
  const { country, generation } = position;
  // One login is learnt from by other data before a next one is judged by it.
  if (isOtherData(generation, habits.generation)) return stateless;
  const newest = habits.countries[0];
  // Of a user whose countries were never known, no one is new.
  if (newest === undefined) return stateless;
  const lastMs = habits.lastSeenInMs(country);
  if (lastMs !== null && atMs - lastMs < days * DAY_MS) return stateless;
  const since = lastMs === null ? "ever" : `in the last ${days} days`;
  return {
    state: null,
    findings: [
      {
        ...causedBy(event),
        evidence: {
          country,
          last_country: newest.country,
          days: String(days),
          logins: String(habits.logins),
        },
        explanation:
          `A login from ${country}, where the user was not seen ${since}, after ${habits.logins} logins; ` +
          `with a login from there less than ${days} days ago it would not have fired.`,
      },
    ],
  };
}

/** What the user had been seen in is no longer known: the anomaly was about this country. */
const stands: Stands = ({ evidence }, events) =>
  events.every((event) => isPlaceUnknown(event) || event.position?.country === evidence.country);

export const countryChange: Rule<null> = {
  meta,
  ...noState,
  step,
  stands,
};
