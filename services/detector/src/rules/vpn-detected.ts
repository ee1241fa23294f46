import type { PolicyDocument } from "@vigie/core/policy";
import { type Address, isNamedVpn } from "@vigie/geoip/geoip";
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
  name: "vpn_detected",
  part: 17,
  version: "1",
  events: ["login_success", "heartbeat", "mfa_success", "geo"],
  severity: "LOW",
  riskScore: 30,
  settings: ["vpn_networks"],
};

export function step(told: Told, event: EnrichedEvent, policy: PolicyDocument): Step<Told> {
  const { address } = event;
  const by = reasonOf(address, policy.vpn_networks.organisations);
  if (by === null) return quiet(told);
  const organisation = address.organisation ?? "";
  const what = `${event.sessionId ?? event.id} ${organisation}`;
  if (wasTold(told, what)) return quiet(told);
  const listed =
    by === "word" ? "names a VPN, proxy, relay, hosting company or cloud" : "is listed";
  return {
    state: withTold(told, what),
    findings: [
      {
        ...causedBy(event),
        evidence: {
          organisation,
          by,
          ...(address.asn === null ? {} : { asn: String(address.asn) }),
          ...(address.country === null ? {} : { ip_country: address.country }),
        },
        explanation:
          `The address belongs to "${organisation}", which ${listed}; ` +
          `from the network of a carrier or company it would not have fired.`,
      },
    ],
  };
}

function reasonOf({ isVpn, organisation }: Address, listed: readonly string[]) {
  if (isVpn) return isNamedVpn(organisation ?? "") ? "word" : "list";
  if (listed.length === 0 || organisation === null) return null;
  const name = organisation.toLowerCase();
  return listed.some((part) => name.includes(part.toLowerCase())) ? "list" : null;
}

/** The policy's list may have changed since: of the same organisation it stands. */
const stands: Stands = ({ evidence }, events, policy) =>
  events.every(
    ({ address: { organisation } }) =>
      organisation === null || organisation === evidence.organisation,
  ) || findsAnew(vpnDetected, events, policy);

export const vpnDetected: Rule<Told> = {
  meta,
  ...toldCodec,
  step,
  stands,
};
