import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CELL_LIMIT, CELL_RADIUS_KM, cellCentre, cellOf, geohashOf, haversineKm } from "./geo.ts";

const anywhere = fc.record({
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
});

test("ANO-03: Dakar and Paris are 4200 km apart", () => {
  const km = haversineKm({ lat: 14.69, lon: -17.44 }, { lat: 48.85, lon: 2.35 });
  expect(Math.abs(km - 4_200)).toBeLessThan(30);
});

test("GEO-20: the cell of Dakar's example has the geohash of its level", () => {
  expect(geohashOf(cellOf({ lat: 14.6928, lon: -17.4467 }))).toBe("edeed");
});

test("a point is never further from its cell's centre than the cell's radius", () =>
  fc.assert(
    fc.property(anywhere, (point) => {
      const cell = cellOf(point);
      expect(cell).toBeGreaterThanOrEqual(0);
      expect(cell).toBeLessThan(CELL_LIMIT);
      expect(haversineKm(point, cellCentre(cell))).toBeLessThanOrEqual(CELL_RADIUS_KM);
      expect(cellOf(cellCentre(cell))).toBe(cell);
    }),
  ));

test.each([
  { lat: 90.1, lon: 0 },
  { lat: 0, lon: -180.5 },
  { lat: Number.NaN, lon: 0 },
])("a point off the globe is refused: %o", (point) => {
  expect(() => cellOf(point)).toThrow("VIG_INVARIANT");
});
