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
  name: "country_mismatch",
  part: 14,
  version: "1",
  events: ["login_success", "heartbeat", "geo"],
  severity: "MEDIUM",
  riskScore: 50,
  settings: [],
};

export function step(told: Told, event: EnrichedEvent): Step<Told> {
  const { country, isAnchor, anonymous } = event.address;
  // A satellite's ground station is in a country of its own.
  if (country === null || (!isAnchor && !anonymous)) return quiet(told);
  const other = otherCountry(event, country);
  if (other === null) return quiet(told);
  const { position, habits, atMs } = event;
  if (position !== null && habits.isOftenAt(position, atMs)) return quiet(told);
  const what = `${event.sessionId ?? event.id} ${other.countries} ${country}`;
  if (wasTold(told, what)) return quiet(told);
  return { state: withTold(told, what), findings: [finding(event, country, other)] };
}

interface Other {
  readonly source: "sim" | "location";
  readonly countries: string;
  readonly mcc?: string;
}

/** Where else than in the address's country the user is said to be from or at, or null. */
function otherCountry(event: EnrichedEvent, country: string): Other | null {
  const { sim } = event;
  if (sim !== null && sim.countries.length > 0 && !sim.countries.includes(country))
    return { source: "sim", countries: sim.countries.join(","), mcc: String(sim.mcc) };
  const given = event.givenCountry ?? event.boughtCountry;
  if (given !== null && given !== country) return { source: "location", countries: given };
  return null;
}

function finding(event: EnrichedEvent, country: string, { source, countries, mcc }: Other) {
  const what = source === "sim" ? `SIM (MCC ${mcc})` : "given location";
  return {
    ...causedBy(event),
    evidence: {
      source,
      [`${source}_country`]: countries,
      ip_country: country,
      ...(mcc === undefined ? {} : { mcc }),
    },
    explanation:
      `The ${what} is of ${countries}, the address in ${country}: roaming, a VPN, or fraud; ` +
      `with an address in ${countries}, or from a place that the user is often at, it would not have fired.`,
  };
}

const stands: Stands = (_, events, policy) =>
  events.some(({ address }) => address.country === null && address.isAnchor) ||
  findsAnew(countryMismatch, events, policy);

export const countryMismatch: Rule<Told> = {
  meta,
  ...toldCodec,
  step,
  stands,
};
