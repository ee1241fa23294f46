import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  GRID_LIMIT,
  GRID_RADIUS_KM,
  geodesicKm,
  gridCellCentre,
  gridCellOf,
  haversineKm,
} from "./geo.ts";

const anywhere = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});

test("ANO-03: Dakar and Paris are 4200 km apart", () => {
  const km = haversineKm({ lat: 14.69, lon: -17.44 }, { lat: 48.85, lon: 2.35 });
  expect(Math.abs(km - 4_200)).toBeLessThan(30);
});

const DAKAR = { lat: 14.7167, lon: -17.4677 };
const PARIS = { lat: 48.8566, lon: 2.3522 };

test("ANO-03: along the ellipsoid Dakar and Paris are 4,197 km apart", () => {
  expect(geodesicKm(DAKAR, PARIS)).toBeCloseTo(4_197.486, 3);
});

/** Source: T. Vincenty's paper and Geoscience Australia's test line, Flinders Peak to Buninyong. */
test("the ellipsoid's distance is that of a surveyed line", () => {
  const flindersPeak = { lat: -37.951033417, lon: 144.424867889 };
  const buninyong = { lat: -37.652821139, lon: 143.926495528 };
  expect(geodesicKm(flindersPeak, buninyong)).toBeCloseTo(54.972271, 5);
});

test("the ellipsoid's distance is within 0.6 % of the sphere's, either way, and 0 on the spot", () =>
  fc.assert(
    fc.property(anywhere, anywhere, (one, other) => {
      const km = haversineKm(one, other);
      const along = geodesicKm(one, other);
      expect(Math.abs(along - km)).toBeLessThanOrEqual(km * 0.006 + 1e-6);
      expect(geodesicKm(other, one)).toBeCloseTo(along, 6);
      expect(geodesicKm(one, one)).toBe(0);
    }),
  ));

test("a point is never further from the centre of its grid cell than the cell's radius", () =>
  fc.assert(
    fc.property(anywhere, (point) => {
      const cell = gridCellOf(point);
      expect(cell).toBeGreaterThanOrEqual(0);
      expect(cell).toBeLessThan(GRID_LIMIT);
      expect(haversineKm(point, gridCellCentre(cell))).toBeLessThanOrEqual(GRID_RADIUS_KM);
      expect(gridCellOf(gridCellCentre(cell))).toBe(cell);
    }),
  ));

test.each([
  { lat: 90.1, lon: 0 },
  { lat: 0, lon: -180.5 },
  { lat: Number.NaN, lon: 0 },
])("a point off the globe is refused: %o", (point) => {
  expect(() => gridCellOf(point)).toThrow("VIG_INVARIANT");
});
