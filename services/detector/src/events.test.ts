import { silentLogger } from "@vigie/core/log";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { type Address, type GeoIp, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import { describe, expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { createDetector } from "./app.ts";

/** What the rules find in events as their producers send them: from the record to the anomaly. */

const START_MS = Date.UTC(2026, 0, 5, 10);
const KEY = "acme|u-1";

const addressIn = (organisation: string, country: string, lat: number, lon: number): Address => ({
  ...unknownAddress,
  ...organisationOf(1, organisation),
  country,
  place: placeAt({ lat, lon }, 150, country, "", 1),
});
const addresses: Readonly<Record<string, Address>> = {
  dakar: addressIn("SONATEL-AS", "SN", 14.7167, -17.4677),
  paris: addressIn("Orange S.A.", "FR", 48.8566, 2.3522),
  vpn: addressIn("NordVPN", "FR", 48.8566, 2.3522),
  starlink: addressIn("SpaceX Starlink", "FR", 48.8566, 2.3522),
};
const geoip: GeoIp = { lookup: (ip) => addresses[ip] ?? unknownAddress };

type Made = Partial<RawEvent> & { readonly atMin: number; readonly ip?: string };
let made = 0;

function login({ atMin, ip, ...more }: Made): RawEvent {
  made += 1;
  return {
    event_id: `event-${made}`,
    tenant_id: "acme",
    user_id: "u-1",
    kind: "AUTH_SUCCESS",
    occurred_at: START_MS + atMin * MINUTE_MS,
    session_id: `session-${made}`,
    channel: "MOBILE",
    network: ip === undefined ? null : { ip, user_agent: null },
    device: null,
    location: null,
    ...more,
  };
}

const located = (lat: number, lon: number, country: string) => ({
  location: { source: "UNKNOWN", lat, lon, accuracy_m: null, country, city: null } as const,
});

/** Kinds of what is found in the events, in their order of arrival, and the anomalies. */
function found(events: readonly RawEvent[], document?: object) {
  const codecs = memoryCodecs();
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const detector = createDetector({ codecs, geoip, log: silentLogger, ...limits });
  const driver = createDriver(detector, { startMs: START_MS + 13 * HOUR_MS });
  if (document !== undefined) {
    const policy: SessionPolicy = {
      tenant_id: "acme",
      version: 1,
      updated_at: START_MS,
      actor: { type: "SYSTEM", id: "test", impersonator_id: null },
      document: JSON.stringify(document),
    };
    driver.setGlobal("policy", "acme", policy);
  }
  for (const event of events) driver.pipe("id.login", KEY, event);
  const anomalies = driver.read<SessionAnomaly>("bruteforce").map(({ value }) => value);
  return { anomalies, kinds: anomalies.map(({ kind }) => kind) };
}

describe("trips", () => {
  const dakar = located(14.7167, -17.4677, "SN");
  const paris = located(48.8566, 2.3522, "FR");

  test("ANO-03, ANO-04: Dakar to Paris in 30 min is 4,197 km at 8,395 km/h, risk 95, STEP_UP", () => {
    const events = [login({ atMin: 0, ...dakar }), login({ atMin: 30, ...paris })];
    for (const order of [events, events.toReversed()]) {
      expect(found(order).anomalies).toMatchObject([
        {
          kind: "impossible_travel",
          risk_score: 95,
          action: "STEP_UP",
          occurred_at: START_MS + 30 * MINUTE_MS,
          evidence: { distance_km: "4197", speed_kmh: "8395" },
        },
      ]);
    }
  });

  test("the same by the addresses' cities", () => {
    const events = [login({ atMin: 0, ip: "dakar" }), login({ atMin: 30, ip: "paris" })];
    expect(found(events).anomalies).toMatchObject([
      { evidence: { distance_km: "4197", speed_kmh: "8395", min_speed_kmh: "7543" } },
    ]);
  });

  test.each([
    ["Abidjan to Paris in 6.5 h", located(5.3544, -4.0017, "CI"), 390],
    ["Lagos to Paris in 6.3 h", located(6.5244, 3.3792, "NG"), 378],
  ])("%s is a flight", (_what, from, minutes) => {
    const events = [login({ atMin: 0, ...from }), login({ atMin: minutes, ...paris })];
    expect(found(events).kinds).toEqual([]);
  });

  test("two mobile logins in Senegal minutes apart, one placed at its centre, are none", () => {
    const senegal = { ...dakar.location, lat: null, lon: null };
    for (const minutes of [1, 5, 30]) {
      const events = [
        login({ atMin: 0, ip: "dakar" }),
        login({ atMin: minutes, location: senegal }),
        login({ atMin: 2 * minutes, ...dakar }),
      ];
      expect(found(events).kinds).toEqual([]);
    }
  });

  test.each(["vpn", "starlink"])("an address of a %s is no place to travel to", (ip) => {
    const events = [login({ atMin: 0, ip: "dakar" }), login({ atMin: 30, ip })];
    expect(found(events).kinds).not.toContain("impossible_travel");
  });

  test("a USSD dialogue is where its SIM and its gateway's address agree, else nowhere", () => {
    const ussd = (mcc: number, atMin: number) =>
      login({ atMin, ip: "dakar", channel: "USSD", sim: { mcc } });
    const before = login({ atMin: 0, ip: "paris" });
    expect(found([before, ussd(608, 30)]).kinds).toEqual(["impossible_travel"]);
    expect(found([before, ussd(208, 30)]).kinds).toEqual(["country_mismatch"]);
  });
});

describe("countries", () => {
  test("ANO-12, GEO-24: a SIM of MCC 608 with an address in FR", () => {
    const event = login({ atMin: 0, ip: "paris", sim: { mcc: 608 } });
    expect(found([event]).anomalies).toMatchObject([
      { kind: "country_mismatch", severity: "MEDIUM", risk_score: 50, action: "LOG_ONLY" },
    ]);
  });

  test.each(["SIM", "PHONE"] as const)(
    "ANO-09: the country of a %s is where it was bought: a mismatch, but nobody connects from there",
    (source) => {
      const event = login({
        atMin: 0,
        ip: "dakar",
        location: { source, lat: null, lon: null, accuracy_m: null, country: "KP", city: null },
      });
      const { kinds } = found([event], { blocked_countries: { countries: ["KP"] } });
      expect(kinds).toEqual(["country_mismatch"]);
    },
  );

  test("ANO-09, RMP-05: blocked for the tenant, for a channel, for a role: the lists add up", () => {
    const document = {
      blocked_countries: { countries: ["KP"] },
      channels: { WEB: { blocked_countries: { countries: ["FR"] } } },
      roles: { teller: { blocked_countries: { countries: ["SN"] } } },
    };
    const kinds = (event: Made): readonly string[] => found([login(event)], document).kinds;
    expect(kinds({ atMin: 0, ip: "paris" })).toEqual([]);
    expect(kinds({ atMin: 0, ip: "paris", channel: "WEB" })).toEqual(["geo_block"]);
    expect(kinds({ atMin: 0, ip: "dakar" })).toEqual([]);
    expect(kinds({ atMin: 0, ip: "dakar", roles: ["teller"] })).toEqual(["geo_block"]);
    expect(kinds({ atMin: 0, roles: ["teller"], ...located(39, 125.7, "KP") })).toEqual([
      "geo_block",
    ]);
    expect(
      found([login({ atMin: 0, ip: "dakar", roles: ["teller"] })], document).anomalies,
    ).toMatchObject([
      { severity: "CRITICAL", risk_score: 90, action: "BLOCK", session_id: `session-${made}` },
    ]);
  });
});

describe("POL-08: a VPN", () => {
  const event = (): RawEvent => login({ atMin: 0, ip: "vpn" });

  test("ANO-11: is told of by default, risk 30", () => {
    expect(found([event()]).anomalies).toMatchObject([
      { kind: "vpn_detected", risk_score: 30, action: "LOG_ONLY", severity: "LOW" },
    ]);
  });

  test("asks for a second factor when the policy says so", () => {
    const { anomalies } = found([event()], { vpn_action: { action: "step_up" } });
    expect(anomalies).toMatchObject([{ kind: "vpn_detected", action: "STEP_UP" }]);
  });
});
