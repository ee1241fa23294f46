import type { PolicyDocument } from "@vigie/core/policy";
import { type Told, toldCodec, wasTold, withTold } from "#state/told";
import { findsAnew, type Stands } from "./recheck.ts";
import {
  causedBy,
  type EnrichedEvent,
  quiet,
  type Rule,
  type RuleMeta,
  type Step,
} from "./rule.ts";

export const meta: RuleMeta = {
  name: "geo_block",
  part: 13,
  version: "1",
  events: ["login_success", "heartbeat", "mfa_success", "geo"],
  severity: "CRITICAL",
  riskScore: 90,
  action: "BLOCK",
  settings: ["blocked_countries"],
};

/** The policy is the one of the event's channel and roles: their lists add to the tenant's. */
export function step(told: Told, event: EnrichedEvent, policy: PolicyDocument): Step<Told> {
  const { countries } = policy.blocked_countries;
  if (countries.length === 0) return quiet(told);
  const [country, source] = blockedOf(event, countries);
  if (country === null) return quiet(told);
  const what = `${event.sessionId ?? event.id} ${country}`;
  if (wasTold(told, what)) return quiet(told);
  return {
    state: withTold(told, what),
    findings: [
      {
        ...causedBy(event),
        evidence: { country, source, channel: event.channel },
        explanation:
          `The ${source} is in ${country}, which the policy blocks for this channel and these roles; ` +
          `from a country that is not on the list it would not have fired.`,
      },
    ],
  };
}

type Blocked = readonly [country: string, source: "location" | "address"] | readonly [null, null];

/** The given location counts, and so does the address, a VPN's too: the connection comes from there. */
function blockedOf(event: EnrichedEvent, countries: readonly string[]): Blocked {
  const { givenCountry, address } = event;
  if (givenCountry !== null && countries.includes(givenCountry)) return [givenCountry, "location"];
  const { country } = address;
  return country !== null && countries.includes(country) ? [country, "address"] : [null, null];
}

/** A given location is no matter of the data, and the list may have changed since. */
const stands: Stands = ({ evidence }, events, policy) =>
  evidence.source === "location" ||
  events.every(({ address: { country } }) => country === null || country === evidence.country) ||
  findsAnew(geoBlock, events, policy);

export const geoBlock: Rule<Told> = {
  meta,
  ...toldCodec,
  step,
  stands,
};
