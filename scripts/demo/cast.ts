import { randomBytes, randomUUID } from "node:crypto";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import type {
  Channel,
  Device,
  HeartbeatEvent,
  Location,
  LoginEvent,
  MfaEvent,
  Network,
  Sim,
} from "@vigie/schemas/types";

/** Somebody who signs in during the scenario, and what upstream services know of them. */
export interface Person {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly channel: Channel;
  readonly network: Network;
  readonly device: Device;
  readonly sim: Sim | null;
}

const ANDROID_AGENT =
  "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) " +
  "Chrome/141.0.7390.122 Mobile Safari/537.36";
const DESKTOP_AGENT =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
  "Version/18.6 Safari/605.1.15";

const phone = { os: "Android", os_version: "14", browser: "Chrome", device_model: "SM-A155F" };
const laptop = { os: "macOS", os_version: "15.6", browser: "Safari", device_model: "Mac" };

/** What a stolen session looks like on the machine it was carried to. */
export const FOREIGN_SIGNALS = { os: "Windows", os_version: "11", browser: "Firefox" };

interface Country {
  readonly tenantId: string;
  readonly ipPrefix: string;
  readonly mcc: number;
  readonly timezone: string;
}

/** Address blocks of the countries' largest operators; mobile country codes of ITU-T E.212. */
const SENEGAL = { tenantId: "molam-sn", ipPrefix: "41.82", mcc: 608, timezone: "Africa/Dakar" };
const IVORY = { tenantId: "molam-ci", ipPrefix: "160.154", mcc: 612, timezone: "Africa/Abidjan" };
const FRANCE = { tenantId: "molam-fr", ipPrefix: "90.63", mcc: 208, timezone: "Europe/Paris" };

export interface Cast {
  readonly moussa: Person;
  /** Somebody with Moussa's password, in France. */
  readonly intruder: Person;
  readonly aminata: Person;
  readonly jean: Person;
  readonly others: readonly Person[];
}

/** New people at every run, so that one run's findings do not depend on an earlier one. */
export function createCast(): Cast {
  const run = randomBytes(2).toString("hex");
  let host = 10;
  const person = (name: string, country: Country, channel: Channel): Person => {
    const mobile = channel === "MOBILE";
    const signals = { ...(mobile ? phone : laptop), timezone: country.timezone, languages: "fr" };
    const user_agent = mobile ? ANDROID_AGENT : DESKTOP_AGENT;
    return {
      tenantId: country.tenantId,
      userId: `${name}-${run}`,
      sessionId: randomUUID(),
      channel,
      network: { ip: `${country.ipPrefix}.12.${host++}`, user_agent },
      device: { device_id: randomUUID(), fingerprint: { hash: null, similarity: null, signals } },
      sim: mobile ? { mcc: country.mcc, mnc: 1, carrier: "Orange" } : null,
    };
  };
  const moussa = person("moussa", SENEGAL, "MOBILE");
  const { tenantId, userId } = moussa;
  return {
    moussa,
    intruder: { ...person("intruder", FRANCE, "WEB"), tenantId, userId },
    aminata: person("aminata", IVORY, "MOBILE"),
    jean: person("jean", FRANCE, "WEB"),
    others: [
      person("awa", SENEGAL, "MOBILE"),
      person("ousmane", SENEGAL, "WEB"),
      person("koffi", IVORY, "MOBILE"),
      person("mariam", IVORY, "WEB"),
      person("claire", FRANCE, "MOBILE"),
    ],
  };
}

/** Source: ANO-03. */
export const DAKAR: Location = place("SN", "Dakar", { lat: 14.69, lon: -17.44 });
export const PARIS: Location = place("FR", "Paris", { lat: 48.85, lon: 2.35 });
export const TRAVEL_MS = 30 * MINUTE_MS;

function place(country: string, city: string, at: { lat: number; lon: number }): Location {
  return { source: "GPS", ...at, accuracy_m: 50, country, city };
}

const SOURCE = "vigie-demo";

const common = (person: Person, occurredAt: number) => ({
  event_id: randomUUID(),
  tenant_id: person.tenantId,
  user_id: person.userId,
  occurred_at: occurredAt,
  session_id: person.sessionId,
  channel: person.channel,
  network: person.network,
  device: person.device,
  location: null,
  sim: person.sim,
  source: SOURCE,
});

export const login = (person: Person, occurredAt: number): LoginEvent => ({
  ...common(person, occurredAt),
  kind: "AUTH_SUCCESS",
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  login_method: "pin",
  failure_reason: null,
  absolute_expires_at: occurredAt + 7 * DAY_MS,
  upstream_session_ref: null,
});

export const heartbeat = (person: Person, occurredAt: number): HeartbeatEvent => ({
  ...common(person, occurredAt),
  session_started_at: null,
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
});

export const mfa = (person: Person, occurredAt: number, kind: "SUCCESS" | "FAIL"): MfaEvent => ({
  ...common(person, occurredAt),
  kind,
  factor: "SMS",
});

/** The same session, reported from a machine of another make. */
export function onForeignMachine(person: Person): Person {
  const fingerprint = { hash: null, similarity: null, signals: FOREIGN_SIGNALS };
  return { ...person, device: { ...person.device, fingerprint } };
}
