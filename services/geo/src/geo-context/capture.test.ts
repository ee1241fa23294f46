import { haversineKm } from "@vigie/core/geo";
import { geohashAt, geohashLengths, needsOptIn, precisionLevels } from "@vigie/core/geohash";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { defaultPrefs, type Prefs } from "#prefs/prefs";
import { type AddressSeen, type Atlas, capture, geoRecord, type Sighting } from "./capture.ts";
import { locate } from "./places.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const DAKAR = { lat: 14.6928, lon: -17.4467 };
const served: Readonly<Record<string, { currency: string; timezone: string; locale: string }>> = {
  SN: { currency: "XOF", timezone: "Africa/Dakar", locale: "fr_SN" },
  FR: { currency: "EUR", timezone: "Europe/Paris", locale: "fr_FR" },
};
let ids = 0;
const atlas: Atlas = {
  locate,
  countryOf: (code) => served[code] ?? null,
  newId: () => `id-${++ids}`,
};
const nowhere: AddressSeen = {
  country: null,
  region: null,
  city: null,
  timezone: null,
  organisation: null,
  asn: null,
  isVpn: false,
  isMobile: false,
};
const inParis: AddressSeen = {
  ...nowhere,
  country: "FR",
  region: "Île-de-France",
  city: "Paris",
  timezone: "Europe/Paris",
  organisation: "Orange S.A.",
  asn: 3215,
};
const orange = { mcc: 608, mnc: 1, carrier: "Orange SN" };
const sighting = (more: Partial<Sighting>): Sighting => ({
  atMs: T0,
  point: null,
  accuracyM: null,
  sim: null,
  address: nowhere,
  ...more,
});
const optedIn: Prefs = { ...defaultPrefs, gpsOptIn: true };
const of = (prefs: Prefs, seen: Sighting, context = null) =>
  capture({ prefs, context }, seen, atlas);
const typesOf = ({ events }: ReturnType<typeof capture>) => events.map(({ type }) => type);
const origin = {
  tenantId: "molam-sn",
  userId: "awa",
  sessionId: "s-1",
  ip: "41.82.0.1",
  userAgent: null,
  eventId: "e-1",
};

test("GEO-20: the example", () => {
  const seen = sighting({ point: DAKAR, accuracyM: 10, sim: orange });
  const { context, gps } = of(optedIn, seen);
  expect(gps).toBe("used");
  expect(context).toEqual({
    source: "gps",
    country: "SN",
    region: "Dakar",
    city: "Dakar",
    geohash: "edeed",
    timezone: "Africa/Dakar",
    isVpn: false,
    isMobile: true,
    carrier: "Orange SN",
    capturedAtMs: T0,
  });
});

describe("PRV-06: without opt-in", () => {
  const seen = sighting({ point: DAKAR, accuracyM: 10, sim: orange });

  test("the position is neither kept nor passed on, and the answer says so", () => {
    const captured = of(defaultPrefs, seen);
    expect(captured).toMatchObject({ gps: "refused", cell: null });
    expect(captured.position).toBeUndefined();
    expect(captured.context).toMatchObject({ source: "sim", country: "SN", geohash: null });
    expect(geoRecord(captured, seen, origin)).toMatchObject({ location: null, geohash: null });
  });

  test("a capture with a position means the same as one without", () => {
    const strip = ({ gps: _, events, ...rest }: ReturnType<typeof capture>) => ({
      ...rest,
      events: events.map(({ id: __, ...event }) => event),
    });
    expect(strip(of(defaultPrefs, seen))).toEqual(
      strip(of(defaultPrefs, { ...seen, point: null, accuracyM: null })),
    );
  });
});

describe("PRV-07, GEO-18: nothing is finer than the level", () => {
  test.each([
    ["country", "ed", null, null],
    ["region", "ede", "Dakar", null],
    ["city", "edeed", "Dakar", "Dakar"],
    ["neighborhood", "edeedf", "Dakar", "Dakar"],
    ["precise", "edeedfx", "Dakar", "Dakar"],
  ] as const)("%s", (precisionLevel, geohash, region, city) => {
    const seen = sighting({ point: DAKAR });
    const captured = of({ ...optedIn, precisionLevel }, seen);
    expect(captured.context).toMatchObject({ country: "SN", geohash, region, city });
    expect(geoRecord(captured, seen, origin)).toMatchObject({ geohash, location: { city } });
    for (const event of captured.events) expect(event).toMatchObject({ geohash, city });
  });

  test("of an address, too", () => {
    const captured = of(
      { ...defaultPrefs, precisionLevel: "country" },
      sighting({ address: inParis }),
    );
    const nothing = { region: null, city: null, timezone: null };
    expect(captured.context).toMatchObject({ country: "FR", ...nothing });
  });

  const points = fc.record({
    lat: fc.double({ min: -90, max: 90, noNaN: true }),
    lon: fc.double({ min: -180, max: 180, noNaN: true }),
  });

  test("what is published is the centre of the cell: every point of the cell gives the same", () =>
    fc.assert(
      fc.property(points, fc.constantFrom(...precisionLevels), (point, precisionLevel) => {
        const seen = sighting({ point });
        const prefs = { ...optedIn, precisionLevel };
        const { cell } = of(prefs, seen);
        expect(cell?.geohash).toBe(geohashAt(point, geohashLengths[precisionLevel]));
        const centre = cell?.centre ?? point;
        const again = of(prefs, sighting({ point: centre }));
        expect(again.cell).toEqual(cell);
        expect(haversineKm(centre, point) * 1_000).toBeLessThanOrEqual((cell?.radiusM ?? 0) + 1e-6);
      }),
      { numRuns: 200 },
    ));

  test("a device that is less sure than the cell is large says so itself", () => {
    const seen = sighting({ point: DAKAR, accuracyM: 9_000 });
    const record = geoRecord(of(optedIn, seen), seen, origin);
    expect(record.location?.accuracy_m).toBe(9_000);
    expect(precisionLevels.filter(needsOptIn)).toHaveLength(2);
  });
});

describe("ANO-05: each capture is looked at", () => {
  test("ANO-12, GEO-24: a SIM of MCC 608 with an address in FR is a mismatch", () => {
    const captured = of(defaultPrefs, sighting({ sim: orange, address: inParis }));
    expect(typesOf(captured)).toEqual([
      "location_captured",
      "country_mismatch",
      "currency_switched",
      "timezone_updated",
    ]);
    expect(captured.events[1]?.details).toEqual({
      simCountries: ["SN"],
      ipCountry: "FR",
      riskScore: 50,
    });
    // GEO-14: the SIM counts before the address, of which no town is taken then.
    expect(captured.context).toMatchObject({ source: "sim", country: "SN", city: null });
  });

  test("a code that countries share agrees with each of them", () => {
    const inMartinique = { ...inParis, country: "MQ" };
    const seen = sighting({ sim: { ...orange, mcc: 340 }, address: inMartinique });
    expect(typesOf(of(defaultPrefs, seen))).toEqual(["location_captured"]);
    expect(of(defaultPrefs, seen).context).toMatchObject({ source: "sim", country: "MQ" });
  });

  test("a code that no country has agrees with any, and tells none", () => {
    const seen = sighting({ sim: { ...orange, mcc: 901 }, address: inParis });
    expect(of(defaultPrefs, seen).context).toMatchObject({ source: "ip", country: "FR" });
    expect(typesOf(of(defaultPrefs, seen))).not.toContain("country_mismatch");
  });

  test("ANO-10, ANO-11: a VPN is told of, with the risk of it", () => {
    const address = { ...inParis, organisation: "NordVPN", isVpn: true };
    const captured = of(defaultPrefs, sighting({ address }));
    const vpn = captured.events.find(({ type }) => type === "vpn_detected");
    expect(vpn?.details).toEqual({ organisation: "NordVPN", asn: 3215, riskScore: 30 });
    expect(captured.context.isVpn).toBe(true);
  });

  test("nothing that is known is a context, too", () => {
    const captured = of(defaultPrefs, sighting({}));
    expect(captured.context).toMatchObject({ source: "unknown", country: null, timezone: null });
    expect(typesOf(captured)).toEqual(["location_captured"]);
  });
});

describe("GEO-22: currency and time zone follow the country", () => {
  test("arriving in another country switches both, staying switches nothing", () => {
    const first = of(defaultPrefs, sighting({ sim: orange }));
    expect(typesOf(first)).toEqual(["location_captured", "currency_switched", "timezone_updated"]);
    const held = { prefs: defaultPrefs, context: first.context };
    const stays = capture(held, sighting({ sim: orange }), atlas);
    expect(typesOf(stays)).toEqual(["location_captured"]);
    const arrives = capture(held, sighting({ address: inParis }), atlas);
    expect(arrives.events.slice(1).map(({ type, details }) => ({ type, details }))).toEqual([
      { type: "currency_switched", details: { from: "XOF", to: "EUR" } },
      { type: "timezone_updated", details: { from: "Africa/Dakar", to: "Europe/Paris" } },
    ]);
  });

  test("a chosen currency stays", () => {
    const prefs = { ...defaultPrefs, preferredCurrency: "XOF", preferredTimezone: "UTC" };
    expect(typesOf(of(prefs, sighting({ address: inParis })))).toEqual(["location_captured"]);
  });
});

test("no event and no record holds the position, whatever the level", () => {
  for (const precisionLevel of precisionLevels) {
    const seen = sighting({ point: DAKAR, accuracyM: 10, sim: orange, address: inParis });
    const { position, ...captured } = of({ ...optedIn, precisionLevel }, seen);
    const text = JSON.stringify([captured, geoRecord(captured, seen, origin)]);
    expect(position).toMatchObject(DAKAR);
    expect(text).not.toMatch(/14\.6928|17\.4467/);
  }
});
