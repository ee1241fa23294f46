import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { haversineKm, type Point } from "./geo.ts";
import {
  cellAround,
  geohashAt,
  geohashCell,
  geohashLengths,
  isGeohash,
  needsOptIn,
  precisionLevels,
} from "./geohash.ts";

const DAKAR: Point = { lat: 14.6928, lon: -17.4467 };
/** Millionths of a degree: finer ones are lost in the sums by which `cellOf` finds its cell. */
const degrees = (max: number) =>
  fc.integer({ min: -max * 1e6, max: max * 1e6 }).map((steps) => steps / 1e6);
const points = fc.record({ lat: degrees(90), lon: degrees(180) });
const lengths = fc.integer({ min: 1, max: 12 });

describe("CNF-05: worked examples", () => {
  test.each([
    ["Dakar, as CNF-05 has it", DAKAR, "edeedfx"],
    // Source: the example of the algorithm's author, as in Wikipedia, "Geohash".
    ["Jutland", { lat: 57.64911, lon: 10.40744 }, "u4pruydqqvj"],
    ["the south-western corner", { lat: -90, lon: -180 }, "0000000"],
    ["the north-eastern corner", { lat: 90, lon: 180 }, "zzzzzzz"],
  ] as const)("%s", (_name, point, text) => {
    expect(geohashAt(point, text.length)).toBe(text);
  });

  test("the cell of Dakar's example holds it, and is a building's size", () => {
    const { centre, radiusKm } = geohashCell("edeedfx");
    expect(haversineKm(DAKAR, centre)).toBeLessThanOrEqual(radiusKm);
    expect(radiusKm).toBeGreaterThan(0.1);
    expect(radiusKm).toBeLessThan(0.11);
  });
});

test("GEO-18, GEO-19: levels have the lengths of the table, and radii of its order", () => {
  expect(geohashLengths).toEqual({ country: 2, region: 3, city: 5, neighborhood: 6, precise: 7 });
  expect(precisionLevels.filter(needsOptIn)).toEqual(["neighborhood", "precise"]);
  const radii = precisionLevels.map(
    (level) => geohashCell(geohashAt({ lat: 0.001, lon: 0.001 }, geohashLengths[level])).radiusKm,
  );
  // Half the diagonal at the equator, where a cell is largest.
  expect(radii.map((km) => Number(km.toPrecision(2)))).toEqual([700, 110, 3.5, 0.68, 0.11]);
});

test("a point is never further from its cell's centre than the radius", () =>
  fc.assert(
    fc.property(points, lengths, (point, length) => {
      const { centre, radiusKm } = geohashCell(geohashAt(point, length));
      expect(haversineKm(point, centre)).toBeLessThanOrEqual(radiusKm + 1e-9);
    }),
    { numRuns: 500 },
  ));

test("a shorter text is the coarser cell of the same point", () =>
  fc.assert(
    fc.property(points, lengths, lengths, (point, long, short) => {
      const text = geohashAt(point, Math.max(long, short));
      expect(text.slice(0, Math.min(long, short))).toBe(geohashAt(point, Math.min(long, short)));
    }),
  ));

test("a cell around a point is that of its text", () =>
  fc.assert(
    fc.property(points, lengths, (point, length) => {
      const cell = cellAround(point, length);
      const named = geohashCell(geohashAt(point, length));
      expect(cell.centre.lat).toBeCloseTo(named.centre.lat, 9);
      expect(cell.centre.lon).toBeCloseTo(named.centre.lon, 9);
      expect(cell.radiusKm).toBeCloseTo(named.radiusKm, 6);
    }),
    { numRuns: 500 },
  ));

test("and holds the point however near its border that lies", () =>
  fc.assert(
    fc.property(
      fc.double({ min: -90, max: 90, noNaN: true }),
      fc.double({ min: -180, max: 180, noNaN: true }),
      lengths,
      (lat, lon, length) => {
        const { centre, radiusKm } = cellAround({ lat, lon }, length);
        expect(haversineKm({ lat, lon }, centre)).toBeLessThanOrEqual(radiusKm + 1e-9);
      },
    ),
  ));

test.each(["", "a", "EDEED", "edeedfxedeedfx", "ede dfx"])("%j is no geohash", (text) => {
  expect(isGeohash(text)).toBe(false);
  expect(() => geohashCell(text)).toThrow("VIG_INVARIANT");
});

test.each([0, 13, 2.5])("%d characters are refused", (length) => {
  expect(() => geohashAt(DAKAR, length)).toThrow("VIG_INVARIANT");
  expect(() => cellAround(DAKAR, length)).toThrow("VIG_INVARIANT");
});
