import { Reader, Writer } from "@vigie/core/bytes";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import { GIVEN, type Place, placeAt } from "@vigie/geoip/place";
import type { Channel } from "@vigie/schemas/types";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CHANNEL_LOGINS_MAX, type HabitLogin, Habits, KNOWN_AFTER_LOGINS } from "./habits.ts";

const DAY_0_MS = Date.UTC(2026, 0, 5);
const at = (lat: number, lon: number, country: string, generation = 1): Place =>
  placeAt({ lat, lon }, 150, country, "", generation);
const DAKAR = at(14.72, -17.47, "SN");
const THIES = at(14.79, -16.93, "SN");
const PARIS = at(48.86, 2.35, "FR");

const login = (day: number, position: Place | null = DAKAR, channel: Channel = "MOBILE") => ({
  atMs: DAY_0_MS + day * DAY_MS,
  position,
  channel,
});
const after = (logins: readonly HabitLogin[]): Habits =>
  logins.reduce((habits, each) => habits.after(each), Habits.none);
const daily = (days: number, position = DAKAR): readonly HabitLogin[] =>
  Array.from({ length: days }, (_, day) => login(day, position));

function bytesOf(habits: Habits): Buffer {
  const writer = new Writer();
  Habits.write(writer, habits);
  return writer.finish();
}

const stored = (habits: Habits): Habits => {
  const bytes = bytesOf(habits);
  const reader = new Reader(bytes, 0, bytes.length);
  const read = Habits.read(reader);
  expect(reader.at).toBe(bytes.length);
  return read;
};

const channels: readonly Channel[] = ["UNKNOWN", "MOBILE", "WEB", "USSD", "API"];
const anyLogins = fc.array(
  fc.record({
    atMs: fc.integer({ min: DAY_0_MS, max: DAY_0_MS + 400 * DAY_MS }),
    channel: fc.constantFrom(...channels),
    position: fc.option(
      fc
        .tuple(
          fc.double({ min: -90, max: 90, noNaN: true }),
          fc.double({ min: -180, max: 180, noNaN: true }),
          fc.constantFrom("SN", "FR", "", "GH", "CI", "NG"),
          fc.constantFrom(GIVEN, 1, 0xffff),
        )
        .map((parts) => at(...parts)),
    ),
  }),
  { maxLength: 300 },
);

describe("habits", () => {
  test("come back from their bytes, and take less than 256 of them whatever the logins", () =>
    fc.assert(
      fc.property(anyLogins, (logins) => {
        const habits = after(logins);
        expect(stored(habits)).toEqual(habits);
        expect(bytesOf(habits).length).toBeLessThan(256);
      }),
    ));

  test("are of the data that a country was looked up in last, in the order of arrival", () =>
    fc.assert(
      fc.property(anyLogins, (logins) => {
        const of = logins.findLast(
          ({ position: p }) => p !== null && p.country !== "" && !p.isGiven,
        );
        expect(after(logins).generation).toBe(of?.position?.generation ?? GIVEN);
      }),
    ));

  test("tell of the last fifty logins by channel what a list of them would", () =>
    fc.assert(
      fc.property(anyLogins, fc.constantFrom(...channels), (logins, channel) => {
        const last = logins.slice(-CHANNEL_LOGINS_MAX);
        const count = last.filter((each) => each.channel === channel).length;
        expect(stored(after(logins)).onChannel(channel)).toEqual({ count, of: last.length });
      }),
    ));

  test("tell when a country was last seen, to the second, in any order of logins", () =>
    fc.assert(
      fc.property(anyLogins, (logins) => {
        const habits = stored(after(logins));
        for (const country of ["SN", "FR", "GH"]) {
          const times = logins
            .filter(({ position }) => position?.country === country)
            .map(({ atMs }) => atMs - (atMs % 1_000));
          expect(habits.lastSeenInMs(country)).toBe(times.length > 0 ? Math.max(...times) : null);
        }
        const shown = habits.countries.map(({ lastMs }) => lastMs);
        expect(shown).toEqual(shown.toSorted((a, b) => b - a));
      }),
    ));
});

describe("a user", () => {
  test("is known from the tenth login on, or after a fortnight", () => {
    const noon = DAY_0_MS + 12 * HOUR_MS;
    const sameDay = (count: number) =>
      after(Array.from({ length: count }, () => ({ ...login(0), atMs: noon })));
    expect(sameDay(KNOWN_AFTER_LOGINS - 1).isKnownAt(noon)).toBe(false);
    expect(sameDay(KNOWN_AFTER_LOGINS).isKnownAt(noon)).toBe(true);
    expect(after([login(0)]).isKnownAt(DAY_0_MS + 14 * DAY_MS - 1)).toBe(false);
    expect(after([login(0)]).isKnownAt(DAY_0_MS + 14 * DAY_MS)).toBe(true);
    expect(Habits.none.isKnownAt(DAY_0_MS)).toBe(false);
  });

  test("is often where logins came from on three days, and near there", () => {
    const habits = after([...daily(10), ...[10, 11].map((day) => login(day, PARIS))]);
    const nowMs = DAY_0_MS + 12 * DAY_MS;
    expect(habits.isOftenAt(DAKAR, nowMs)).toBe(true);
    expect(habits.isOftenAt(THIES, nowMs)).toBe(true);
    expect(habits.isOftenAt(PARIS, nowMs)).toBe(false);
    expect(habits.after(login(12, PARIS)).isOftenAt(PARIS, nowMs)).toBe(true);
  });

  test("is not often where many logins came from on one day", () => {
    const burst = Array.from({ length: 20 }, (_, i) => ({
      ...login(20),
      atMs: DAY_0_MS + i * 1_000,
    }));
    expect(after(burst).isOftenAt(DAKAR, DAY_0_MS)).toBe(false);
  });

  test("leaves a place behind that was not visited for 90 days", () => {
    const habits = after(daily(10));
    expect(habits.isOftenAt(DAKAR, DAY_0_MS + 99 * DAY_MS)).toBe(true);
    expect(habits.isOftenAt(DAKAR, DAY_0_MS + 100 * DAY_MS)).toBe(false);
  });

  test("who is in new places all the time keeps the ones that are often", () => {
    const travels = Array.from({ length: 40 }, (_, i) => login(10 + i, at(i, i * 4, "GH")));
    const habits = after([...daily(10), ...travels]);
    expect(habits.isOftenAt(DAKAR, DAY_0_MS + 50 * DAY_MS)).toBe(true);
  });
});
