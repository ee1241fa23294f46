import { gridCellCentre, haversineKm, type Point } from "@vigie/core/geo";
import { cellAround } from "@vigie/core/geohash";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { type Address, type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import { type Place, placeAt } from "@vigie/geoip/place";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { GeoPrefs, SessionAnomaly, SubjectErasure } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { coarseCell, coarsePlace } from "#enrich/coarse-place";
import type { RawEvent } from "#enrich/event";
import { rules } from "#rules/index";
import type { AnyRule } from "#rules/rule";
import type { Fix, Trail } from "#state/trail";
import { type OpenState, stateFormat } from "#state/user-state";
import { createDetector } from "./app.ts";
import { createJudge } from "./judge.ts";
import { impossibleTravel } from "./rules/impossible-travel.ts";

const START_MS = Date.UTC(2026, 0, 5, 10);
const KEY = "acme|u-1";
const DAKAR = { lat: 14.7167, lon: -17.4677 };
const THIES = { lat: 14.79, lon: -16.93 };
const PARIS = { lat: 48.8566, lon: 2.3522 };

const ORANGE: Address = {
  ...unknownAddress,
  place: placeAt(PARIS, 150, "FR", "Paris", 3),
  country: "FR",
  asn: 3215,
  organisation: "Orange",
};
const geoip: GeoIp = { lookup: (ip) => (ip === "90.1.0.1" ? ORANGE : unknownAddress) };

const judge = createJudge(rules);
const format = stateFormat(judge.parts);

function start(own: readonly AnyRule[] = rules) {
  const options = { codecs: memoryCodecs(), geoip, log: silentLogger, rules: own };
  const limits = { maxEventAgeMs: 400 * DAY_MS, maxAheadMs: 400 * DAY_MS };
  const driver = createDriver(createDetector({ ...options, ...limits }), { startMs: START_MS });
  let made = 0;
  const opened = (): OpenState => format.open(driver.state(KEY));
  return {
    driver,
    prefs: (precision: number, gpsOptIn = true, updatedAtMs = START_MS): void =>
      driver.pipe("id.geo.prefs", KEY, {
        tenant_id: "acme",
        user_id: "u-1",
        gps_opt_in: gpsOptIn,
        precision,
        updated_at: updatedAtMs,
      } satisfies GeoPrefs),
    withdraw: (): void => driver.pipe("id.geo.prefs", KEY, null),
    login(at: { lat: number; lon: number } | string, atMin = ++made, city = "Dakar"): RawEvent {
      const gps = { source: "GPS", accuracy_m: 10, country: "SN", city } as const;
      const isAddress = typeof at === "string";
      const event: RawEvent = {
        event_id: `event-${++made}`,
        tenant_id: "acme",
        user_id: "u-1",
        occurred_at: START_MS + atMin * MINUTE_MS,
        kind: "AUTH_SUCCESS",
        session_id: "s-1",
        channel: "MOBILE",
        network: isAddress ? { ip: at, user_agent: null } : null,
        location: isAddress ? null : { ...gps, ...at },
      };
      driver.pipe("id.login", KEY, event);
      return event;
    },
    opened,
    fixes(): readonly Fix[] {
      const slot = judge.parts.findIndex(({ part }) => part === impossibleTravel.meta.part);
      return opened().get<Trail>(slot).fixes();
    },
  };
}

/** A place's cell as it lies in the bytes of a state. */
function cellBytes({ cell }: Place): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(cell);
  return bytes;
}

const DEFAULTS = JSON.stringify({ impossible_travel: { kmh_threshold: 900 } });
/** A candidate that steps the trip's rule on a state of its own. */
const CANDIDATE = JSON.stringify({
  candidate: { share: 100, document: { impossible_travel: { kmh_threshold: 400 } } },
});
const policy = (document: string) => ({
  tenant_id: "acme",
  version: 1,
  updated_at: START_MS,
  actor: { type: "SYSTEM", id: "test", impersonator_id: null },
  document,
});

describe("CNF-05: places in the state of a user", () => {
  test.each([2, 3, 5])(
    "who consents to %d characters are centres of such cells, given and looked up, fine ones nowhere",
    (precision) => {
      const { driver, prefs, login, fixes } = start();
      prefs(precision);
      login(DAKAR);
      login("90.1.0.1");
      expect(fixes().map(({ place }) => place.cell)).toEqual(
        [DAKAR, PARIS].map((at) => coarseCell(placeAt(at, 0, "", "").cell, precision)),
      );
      const cities = precision < 5 ? ["", ""] : ["Dakar", "Paris"];
      expect(fixes().map(({ place }) => place.city)).toEqual(cities);
      expect(fixes().map(({ place }) => place.country)).toEqual(["SN", "FR"]);
      for (const at of [DAKAR, PARIS]) {
        expect(driver.state(KEY)?.bytes.includes(cellBytes(placeAt(at, 0, "", "")))).toBe(false);
      }
    },
  );

  /** Goes to a level with places held of before. Returns: whether any of them is still in the state's bytes. */
  function heldAfter(precision: number, own?: readonly AnyRule[]): boolean {
    const { driver, prefs, login } = start(own);
    driver.setGlobal("policy", "acme", policy(CANDIDATE));
    for (const at of [DAKAR, THIES, "90.1.0.1"]) login(at);
    prefs(precision);
    const bytes = driver.state(KEY)?.bytes ?? Buffer.alloc(0);
    const places = [DAKAR, THIES, PARIS].map((at) => placeAt(at, 0, "", ""));
    return places.some((place) => bytes.includes(cellBytes(place))) || bytes.includes("Dakar");
  }

  test.each([2, 3])(
    "who goes down to %d characters are cut, a candidate's as well",
    (precision) => {
      expect(heldAfter(precision)).toBe(false);
    },
  );

  test("a rule that keeps places and does not cut them is found", () => {
    const { coarsened: _, ...careless } = impossibleTravel;
    expect(heldAfter(2, [careless])).toBe(true);
  });

  test("are cut again where the level goes down again, and no finer when it goes up", () => {
    const { prefs, login, fixes } = start();
    login(DAKAR);
    for (const precision of [5, 3, 2]) {
      prefs(precision);
      expect(fixes()[0]?.place.cell).toBe(coarseCell(placeAt(DAKAR, 0, "", "").cell, precision));
    }
    const before = fixes()[0]?.place;
    prefs(7);
    login(THIES);
    expect(fixes()[0]?.place).toEqual(before);
    expect(fixes()[1]?.place).toEqual(placeAt(THIES, 0.01, "SN", "Dakar"));
  });

  test("who allows more than is kept of anybody are as everybody's; 7 without the opt-in counts as 5", () => {
    const [one, other] = [start(), start()];
    one.login(DAKAR);
    for (const precision of [6, 7]) other.prefs(precision);
    expect(other.driver.state(KEY)).toBeNull();
    other.login(DAKAR);
    expect(other.driver.state(KEY)).toEqual(one.driver.state(KEY));
    other.prefs(7, false);
    expect(other.fixes()[0]?.place.cell).toBe(coarseCell(placeAt(DAKAR, 0, "", "").cell, 5));
  });

  test("keep the truth within their radius, which grows by the cell", () =>
    fc.assert(
      fc.property(anyPoint, fc.constantFrom(2, 3, 5), (at, precision) => {
        const fine = placeAt(at, 1, "SN", "");
        const coarse = coarsePlace(fine, precision);
        const movedKm = haversineKm(gridCellCentre(fine.cell), gridCellCentre(coarse.cell));
        expect(coarse.radiusKm).toBeGreaterThanOrEqual(movedKm + 1);
        expect(coarseCell(coarse.cell, precision)).toBe(coarse.cell);
      }),
    ));
});

const anyPoint = fc.record({
  lat: fc.double({ min: -80, max: 80, noNaN: true }),
  lon: fc.double({ min: -180, max: 179, noNaN: true }),
});

describe("consent as a record", () => {
  test("survives a lost store, and a null value ends it", () => {
    const { driver, prefs, withdraw, login, fixes } = start();
    prefs(2);
    driver.restore();
    login(DAKAR);
    expect(fixes()[0]?.place.city).toBe("");
    withdraw();
    login(THIES);
    expect(fixes()[1]?.place).toEqual(placeAt(THIES, 0.01, "SN", "Dakar"));
    expect(driver.deadLetters()).toEqual([]);
  });

  test("of a user of whom nothing else is known leaves nothing when it ends", () => {
    const { driver, prefs, withdraw, opened } = start();
    prefs(3);
    expect(driver.state(KEY)?.bytes.length).toBeLessThan(24);
    expect(judge.precisionOf(opened())).toBe(3);
    withdraw();
    expect(driver.state(KEY)).toBeNull();
    withdraw();
    expect(driver.changelog().map(({ state }) => state === null)).toEqual([false, true]);
  });

  test("is taken in its place among the events, by the time of its record", () => {
    const { driver, login, fixes } = start();
    const fine = login(DAKAR);
    const event = { ...fine, event_id: "later", occurred_at: fine.occurred_at + MINUTE_MS };
    const prefs = { tenant_id: "acme", user_id: "u-1", gps_opt_in: true, updated_at: START_MS };
    const timestampMs = START_MS + MINUTE_MS;
    const later = { timestampMs: timestampMs + 1 };
    driver.pipeAll([
      { topic: "id.login", key: KEY, value: event, ...later },
      { topic: "id.geo.prefs", key: KEY, value: { ...prefs, precision: 3 }, timestampMs },
    ]);
    expect(fixes().map(({ place }) => place.city)).toEqual(["", ""]);
  });

  test("of before an erasure does not come back with it", () => {
    const { driver, prefs } = start();
    driver.pipe("id.subject.erasure", KEY, {
      erasure_id: "x-1",
      tenant_id: "acme",
      user_id: "u-1",
      requested_at: START_MS,
      actor: { type: "USER", id: "u-1", impersonator_id: null },
    } satisfies SubjectErasure);
    prefs(2, true, START_MS);
    expect(driver.state(KEY)).toBeNull();
    expect(driver.tally().dropped).toEqual({ erased: 1 });
  });

  test("of somebody else's key or out of range is a dead letter", () => {
    const { driver, prefs } = start();
    prefs(8);
    driver.pipe("id.geo.prefs", "acme|u-2", {
      tenant_id: "acme",
      user_id: "u-1",
      gps_opt_in: true,
      precision: 2,
      updated_at: START_MS,
    } satisfies GeoPrefs);
    expect(driver.deadLetters().map(({ code }) => code)).toEqual([
      "VIG_EVENT_FIELD_INVALID",
      "VIG_RECORD_KEY_MISMATCH",
    ]);
  });
});

describe("what is found of coarse places", () => {
  const trips = (precision: number | null, places: readonly { lat: number; lon: number }[]) => {
    const { driver, prefs, login } = start();
    driver.setGlobal("policy", "acme", policy(DEFAULTS));
    if (precision !== null) prefs(precision);
    places.forEach((at, i) => {
      login(at, i * 30);
    });
    return driver
      .read<SessionAnomaly>("impossible_travel")
      .filter(({ value }) => value.kind === "impossible_travel")
      .map(({ value }) => value);
  };

  test.each([2, 3, 5])(
    "from Dakar to Paris in half an hour is a trip still, at %d",
    (precision) => {
      const [trip] = trips(precision, [DAKAR, PARIS]);
      expect(trip?.evidence.to_country).toBe("SN");
      expect("from_city" in (trip?.evidence ?? {})).toBe(precision === 5);
    },
  );

  test("is found of the fine ones, too: nobody is alarmed by a coarse level", () =>
    fc.assert(
      fc.property(
        fc.array(anyPoint, { minLength: 2, maxLength: 6 }),
        fc.constantFrom(2, 3, 5),
        (places, precision) => {
          const fine = trips(null, places).map(({ anomaly_id }) => anomaly_id);
          const coarse = trips(precision, places).map(({ anomaly_id }) => anomaly_id);
          expect(fine).toEqual(expect.arrayContaining(coarse));
        },
      ),
      { numRuns: 50 },
    ));
});

describe("what is found between the homes of people", () => {
  /** A day at each place, then a minute from the last but one to the last: is that a trip? */
  const found = (precision: number | null, places: readonly Point[]): boolean => {
    const { driver, prefs, login } = start();
    driver.setGlobal("policy", "acme", policy(DEFAULTS));
    if (precision !== null) prefs(precision);
    places.forEach((at, day) => {
      login(at, day === places.length - 1 ? (day - 1) * DAY_MINUTES + 1 : day * DAY_MINUTES);
    });
    return driver
      .read<SessionAnomaly>("impossible_travel")
      .some(({ value }) => value.kind === "impossible_travel");
  };

  test.each([2, 3, 5])(
    "is none of coarse places either where one home lies in two cells, at %d",
    (precision) => {
      // Cells of each of these lengths end at 11.25 degrees west; the homes are 11 and 3,000 km apart.
      const [west, east, far] = [-11.3, -11.2, 16.7].map((lon) => ({ lat: 14, lon })) as [
        Point,
        Point,
        Point,
      ];
      const days = [west, far, west, far, west, far, west, far, west, far, east, far];
      expect([found(null, days), found(precision, days)]).toEqual([false, false]);
    },
  );

  test("is none where an edge cuts a login at 2 still that the detector allows 5 of", () => {
    const { centre, radiusKm } = cellAround(PARIS, 2);
    const fine = { ...centre, accuracy_m: 10 };
    const cut = { ...centre, accuracy_m: Math.round(radiusKm * 1_000) + 10 };
    expect(haversineKm(centre, PARIS)).toBeGreaterThan(200);
    expect([found(5, [PARIS, cut]), found(5, [PARIS, fine])]).toEqual([false, true]);
  });

  test("is found of the fine ones, too, whatever cells two homes lie in", () =>
    fc.assert(
      fc.property(
        fc.array(anyHome, { minLength: 4, maxLength: 4 }),
        fc.array(fc.nat(3), { minLength: 11, maxLength: 14 }),
        fc.constantFrom(2, 3, 5),
        (offsets, visits, precision) => {
          const homes = offsets.map(({ lat, lon }, i) => ({ lat, lon: lon + (i % 2) * 28 }));
          const days = visits.map((home) => homes[home] as Point);
          if (found(precision, days)) expect(found(null, days)).toBe(true);
        },
      ),
      { numRuns: 300 },
    ));
});

const DAY_MINUTES = DAY_MS / MINUTE_MS;
/** Any two of them are less than 100 km apart, in up to four cells. */
const anyHome = fc.record({
  lat: fc.double({ min: 13.8, max: 14.4, noNaN: true }),
  lon: fc.double({ min: -11.55, max: -10.95, noNaN: true }),
});
