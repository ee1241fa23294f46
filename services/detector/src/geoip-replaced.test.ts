import { silentLogger } from "@vigie/core/log";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { type GeoFiles, GeoIpDatabases } from "@vigie/geoip/databases";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { createDetector } from "./app.ts";

/** What becomes of a user when the GeoIP data is replaced between the events. */

const START_MS = Date.UTC(2026, 0, 5, 10);
const HOME = "41.1.2.3";
const AWAY = "42.1.2.3";

const cities = {
  paris: [48.85, 2.35, "FR"],
  dakar: [14.69, -17.44, "SN"],
  lagos: [6.45, 3.39, "NG"],
  sydney: [-33.87, 151.2, "AU"],
} as const;
type City = keyof typeof cities;

const recordOf = (city: City) => {
  const [latitude, longitude, iso_code] = cities[city];
  return {
    location: { latitude, longitude },
    country: { iso_code },
    city: { names: { en: city } },
  };
};

/** Data that places the two addresses. */
function data(home: City, away: City, generation: number): GeoFiles {
  const bytes = tinyMmdb([
    { prefix: "00101001", record: recordOf(home) },
    { prefix: "00101010", record: recordOf(away) },
  ]);
  return { city: [{ file: "a.mmdb", bytes }], asn: [], generation };
}

interface Happens {
  readonly atMin: number;
  readonly ip?: string;
  /** Default: a login. */
  readonly isHeartbeat?: boolean;
  /** The data that is taken before it. */
  readonly data?: GeoFiles;
}

/** What the two rules that go by places of before find, of a user on the web. */
function found(happens: readonly Happens[]): readonly SessionAnomaly[] {
  const geoip = new GeoIpDatabases(data("paris", "paris", 1));
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const detector = createDetector({
    codecs: memoryCodecs(),
    geoip,
    log: silentLogger,
    ...limits,
  });
  const driver = createDriver(detector, { startMs: START_MS + 20 * DAY_MS });
  happens.forEach(({ atMin, ip = HOME, isHeartbeat = false, data: next }, i) => {
    if (next !== undefined) geoip.replace(next);
    const event: RawEvent = {
      event_id: `event-${i}`,
      tenant_id: "acme",
      user_id: "u-1",
      occurred_at: START_MS + atMin * MINUTE_MS,
      session_id: `session-${i}`,
      channel: "WEB",
      network: { ip, user_agent: null },
      device: null,
      location: null,
      ...(!isHeartbeat && { kind: "AUTH_SUCCESS" }),
    };
    driver.pipe(isHeartbeat ? "id.heartbeat" : "id.login", "acme|u-1", event);
  });
  return driver
    .read<SessionAnomaly>("impossible_travel")
    .map(({ value }) => value)
    .filter(({ kind }) => kind === "impossible_travel" || kind === "country_change");
}

const kindsOf = (happens: readonly Happens[]): readonly string[] =>
  found(happens).map(({ kind }) => kind);
const twelveLogins = Array.from({ length: 12 }, (_, i): Happens => ({ atMin: i }));

describe("an address that the data moves", () => {
  const after = (next: GeoFiles): readonly Happens[] => [
    ...twelveLogins,
    { atMin: 13, isHeartbeat: true, data: next },
    { atMin: 14 },
  ];

  test("is no trip and no new country", () => {
    expect(kindsOf(after(data("dakar", "paris", 2)))).toEqual([]);
  });

  test("would be both, were the data taken for the same", () => {
    const kinds = kindsOf(after(data("dakar", "paris", 1)));
    expect(kinds).toEqual(["impossible_travel", "country_change"]);
  });

  /** The data of before may come back, and so does its generation. */
  const generationOf: Readonly<Record<City, number>> = { paris: 1, dakar: 2, lagos: 3, sydney: 4 };

  test("never alarms, however often it moves and however late events come", () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            atMin: fc.nat(14 * 24 * 60),
            isHeartbeat: fc.boolean(),
            to: fc.option(fc.constantFrom<City>("paris", "dakar", "lagos", "sydney")),
          }),
          { minLength: 1, maxLength: 60 },
        ),
        (drawn) => {
          const moves = drawn.map(({ to, ...event }): Happens => {
            return to === null ? event : { ...event, data: data(to, "paris", generationOf[to]) };
          });
          expect(kindsOf([...twelveLogins, ...moves])).toEqual([]);
        },
      ),
      { numRuns: 50 },
    ));
});

describe("a user who really moves", () => {
  const HOUR_MIN = HOUR_MS / MINUTE_MS;

  test("is found after the first event under the new data", () => {
    const kinds = kindsOf([
      ...twelveLogins,
      { atMin: HOUR_MIN, data: data("dakar", "sydney", 2) },
      { atMin: HOUR_MIN + 30, ip: AWAY },
    ]);
    expect(kinds).toEqual(["impossible_travel", "country_change"]);
  });

  test("is not with that very event, whose way may be the data's", () => {
    const kinds = kindsOf([
      ...twelveLogins,
      { atMin: HOUR_MIN, ip: AWAY, data: data("paris", "sydney", 2) },
    ]);
    expect(kinds).toEqual([]);
  });

  test("is found at once when the data is the same, loaded again", () => {
    const kinds = kindsOf([
      ...twelveLogins,
      { atMin: HOUR_MIN, ip: AWAY, data: data("paris", "sydney", 1) },
    ]);
    expect(kinds).toEqual(["impossible_travel", "country_change"]);
  });
});
