import { silentLogger } from "@vigie/core/log";
import { defaultPolicy, overlayPolicy, type PolicyOverlay } from "@vigie/core/policy";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { type Address, type GeoIp, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { Location, SessionAnomaly } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import { assert, describe, expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { kindOf } from "#enrich/event-topics";
import { userAgentParser } from "#enrich/user-agent";
import { rules } from "#rules/index";
import { createDetector } from "../app.ts";
import { judgeAgain, type Verdict } from "./judge-again.ts";
import { retractionOf } from "./retraction.ts";

const START_MS = Date.UTC(2026, 0, 5, 10);

const city = (lat: number, lon: number, country: string, organisation = "SONATEL-AS"): Address => ({
  ...unknownAddress,
  ...organisationOf(8346, organisation),
  organisation,
  place: placeAt({ lat, lon }, 150, country, "", 1),
  country,
});
const dakar = city(14.7167, -17.4677, "SN");
const thies = city(14.79, -16.93, "SN");
const paris = city(48.8566, 2.3522, "FR", "Orange S.A.");
const madrid = city(40.4168, -3.7038, "ES", "Telefonica");
const vpn = city(48.8566, 2.3522, "FR", "Nord VPN");

interface Login {
  readonly atMin: number;
  readonly ip: string;
  readonly location?: Location | null;
  readonly mcc?: number;
}

const eventOf = ({ atMin, ip, location = null, mcc }: Login, n: number): RawEvent => ({
  event_id: `event-${n}`,
  tenant_id: "acme",
  user_id: "u-1",
  occurred_at: START_MS + atMin * MINUTE_MS,
  kind: "AUTH_SUCCESS",
  session_id: `s-${n}`,
  channel: "WEB",
  roles: [],
  network: { ip, user_agent: null },
  device: null,
  location,
  sim: mcc === undefined ? null : { mcc },
});

type Data = Readonly<Record<string, Address>>;
const geoipOf = (data: Data): GeoIp => ({ lookup: (ip) => data[ip] ?? unknownAddress });

interface Case {
  readonly name: string;
  readonly kind: string;
  readonly logins: readonly Login[];
  /** What the data said, what it says now. */
  readonly before: Data;
  readonly after: Data;
  readonly policy?: PolicyOverlay;
  readonly policyNow?: PolicyOverlay;
  readonly verdict: Verdict;
}

/** What the detector finds of a kind, and its events. */
function anomalyOf({ kind, logins, before, policy = {} }: Case) {
  const codecs = memoryCodecs();
  const options = { codecs, log: silentLogger, geoip: geoipOf(before) };
  const limits = { maxEventAgeMs: 400 * DAY_MS, maxAheadMs: 0 };
  const driver = createDriver(createDetector({ ...options, ...limits }), {
    startMs: START_MS + 90 * DAY_MS,
  });
  driver.setGlobal("policy", "acme", {
    tenant_id: "acme",
    version: 1,
    updated_at: START_MS,
    actor: { type: "SYSTEM", id: "test", impersonator_id: null },
    document: JSON.stringify(policy),
  });
  const events = logins.map(eventOf);
  for (const event of events) driver.pipe("id.login", "acme|u-1", event);
  const found = driver.read<SessionAnomaly>(kind).filter(({ value }) => value.kind === kind);
  const anomaly = found.at(-1)?.value;
  assert(anomaly !== undefined, `the detector finds ${kind}`);
  return { anomaly, events };
}

function verdictOn(given: Case): Verdict {
  const { anomaly, events } = anomalyOf(given);
  const found = anomaly.cause_event_ids.map((id) => {
    const raw = events.find(({ event_id }) => event_id === id);
    const kind = kindOf["id.login"][raw?.kind ?? ""];
    return raw && kind ? { kind, raw } : undefined;
  });
  const document = overlayPolicy(defaultPolicy, given.policyNow ?? given.policy ?? {});
  return judgeAgain(anomaly, found, {
    rules,
    enrichment: { geoip: geoipOf(given.after), userAgentOf: userAgentParser() },
    policyOf: () => ({ version: 2, document }),
  });
}

const trip = {
  kind: "impossible_travel",
  logins: [
    { atMin: 0, ip: "a" },
    { atMin: 30, ip: "b" },
  ],
};
const block = { blocked_countries: { countries: ["FR", "ES"] } };
const blocked = { kind: "geo_block", logins: [{ atMin: 0, ip: "b" }], policy: block };
const sim = { kind: "country_mismatch", logins: [{ atMin: 0, ip: "b", mcc: 608 }] };
const hidden = { kind: "vpn_detected", logins: [{ atMin: 0, ip: "b" }], before: { b: vpn } };
const home = Array.from({ length: 12 }, (_, n) => ({ atMin: n * 24 * 60, ip: "a" }));
const abroad = { kind: "country_change", logins: [...home, { atMin: 13 * 24 * 60, ip: "b" }] };
const inFrance = { a: dakar, b: paris };
const given: Location = {
  source: "GPS",
  lat: 48.8566,
  lon: 2.3522,
  accuracy_m: null,
  country: "FR",
  city: null,
};

const cases: readonly Case[] = [
  {
    ...trip,
    name: "a trip to where the address is no more",
    before: inFrance,
    after: { a: dakar, b: thies },
    verdict: "contradicted",
  },
  { ...trip, name: "a trip as before", before: inFrance, after: inFrance, verdict: "stands" },
  {
    ...trip,
    name: "a trip to yet another far place",
    before: inFrance,
    after: { a: dakar, b: madrid },
    verdict: "stands",
  },
  {
    ...trip,
    name: "a trip to an address that the data no longer knows",
    before: inFrance,
    after: { a: dakar },
    verdict: "stands",
  },
  {
    ...trip,
    name: "a trip to what is a VPN's exit by now",
    before: inFrance,
    after: { a: dakar, b: vpn },
    verdict: "contradicted",
  },
  {
    ...trip,
    name: "a trip that only a milder policy would let pass",
    before: inFrance,
    after: inFrance,
    policyNow: { impossible_travel: { kmh_threshold: 50_000 } },
    verdict: "stands",
  },
  {
    kind: "impossible_travel",
    logins: [
      { atMin: 0, ip: "a" },
      { atMin: 30, ip: "b", location: given },
    ],
    name: "a trip to a place that the producer gave, whatever its address says",
    before: inFrance,
    after: { a: dakar, b: dakar },
    verdict: "stands",
  },
  {
    ...sim,
    name: "a SIM of the country that the address is in after all",
    before: { b: paris },
    after: { b: dakar },
    verdict: "contradicted",
  },
  {
    ...sim,
    name: "a SIM of neither the one nor the other country",
    before: { b: paris },
    after: { b: madrid },
    verdict: "stands",
  },
  {
    ...sim,
    name: "a SIM against nothing known",
    before: { b: paris },
    after: {},
    verdict: "stands",
  },
  {
    ...abroad,
    name: "a new country that it was not",
    before: inFrance,
    after: { a: dakar, b: dakar },
    verdict: "contradicted",
  },
  { ...abroad, name: "a new country still", before: inFrance, after: inFrance, verdict: "stands" },
  {
    ...abroad,
    name: "a country unknown now",
    before: inFrance,
    after: { a: dakar },
    verdict: "stands",
  },
  {
    ...blocked,
    name: "a blocked country that it was not",
    before: { b: paris },
    after: { b: dakar },
    verdict: "contradicted",
  },
  {
    ...blocked,
    name: "another blocked country",
    before: { b: paris },
    after: { b: madrid },
    verdict: "stands",
  },
  {
    ...blocked,
    name: "a country that the policy no longer blocks",
    before: { b: paris },
    after: { b: paris },
    policyNow: {},
    verdict: "stands",
  },
  {
    ...blocked,
    logins: [{ atMin: 0, ip: "a", location: given }],
    name: "a blocked country that the producer named",
    before: { a: dakar },
    after: { a: dakar },
    verdict: "stands",
  },
  {
    ...blocked,
    logins: [{ atMin: 0, ip: "a", location: given }],
    name: "a country that the producer named and the policy no longer blocks",
    before: { a: dakar },
    after: { a: dakar },
    policyNow: {},
    verdict: "stands",
  },
  { ...hidden, name: "a VPN still", after: { b: vpn }, verdict: "stands" },
  { ...hidden, name: "a VPN that is a carrier", after: { b: paris }, verdict: "contradicted" },
  { ...hidden, name: "a VPN of nobody known", after: {}, verdict: "stands" },
];

describe("an anomaly judged again by newer data", () => {
  test.each(cases)("$kind: $name $verdict", (given) => {
    expect(verdictOn(given)).toBe(given.verdict);
  });

  test("whose events are gone is left alone", () => {
    const { anomaly, events } = anomalyOf({ ...(cases[0] as Case) });
    const raw = events[0] as RawEvent;
    const bench = {
      rules,
      enrichment: { geoip: geoipOf({}), userAgentOf: userAgentParser() },
      policyOf: () => ({ version: 0, document: defaultPolicy }),
    };
    const found = { kind: "login_success", raw } as const;
    expect(judgeAgain(anomaly, [found, undefined], bench)).toBe("events_gone");
    expect(judgeAgain({ ...anomaly, cause_event_ids: [] }, [], bench)).toBe("events_gone");
  });

  test("every rule that goes by addresses says what becomes of its anomalies", () => {
    const named = rules.filter(({ stands }) => stands !== undefined).map(({ meta }) => meta.name);
    expect(named.sort()).toEqual([...new Set(cases.map(({ kind }) => kind))].sort());
  });
});

test("a retraction tells of the same user and session, asks for nothing, and has one id", () => {
  const { anomaly } = anomalyOf(cases[0] as Case);
  const retraction = retractionOf(anomaly, START_MS + HOUR_MS);
  expect(retraction).toMatchObject({
    tenant_id: "acme",
    user_id: "u-1",
    session_id: anomaly.session_id,
    kind: "impossible_travel",
    occurred_at: anomaly.occurred_at,
    detected_at: START_MS + HOUR_MS,
    action: "LOG_ONLY",
    risk_score: 0,
    retracts: anomaly.anomaly_id,
  });
  expect(retraction.anomaly_id).not.toBe(anomaly.anomaly_id);
  expect(retractionOf(anomaly, START_MS).anomaly_id).toBe(retraction.anomaly_id);
});
