import { describe, expect, test } from "vitest";
import { countryCodes, countryExtent } from "./countries.ts";
import { haversineKm, isPoint } from "./geo.ts";

/** Places at the edge of their country, or far from its centre. */
test.each([
  ["SN", 14.72, -17.47],
  ["CI", 4.75, -6.64],
  ["GH", 11.0, -0.5],
  ["NG", 6.45, 3.39],
  ["FR", 41.39, 9.16],
  ["ML", 24.9, -5.0],
  ["US", 21.31, -157.86],
  ["RU", 43.12, 131.9],
  ["ID", -2.53, 140.72],
])("%s holds a place of its own within its radius", (code, lat, lon) => {
  const extent = countryExtent(code);
  expect(extent).not.toBeNull();
  expect(haversineKm(extent?.centre ?? { lat: 0, lon: 0 }, { lat, lon })).toBeLessThan(
    extent?.radiusKm ?? 0,
  );
});

describe("the table", () => {
  test("has what was measured: Senegal 380 km, Nigeria 640 km", () => {
    expect(countryExtent("SN")?.radiusKm).toBe(380);
    expect(countryExtent("NG")?.radiusKm).toBe(640);
  });

  test("has every country of some size, with a centre on the globe and a radius that is one", () => {
    const codes = [...countryCodes()];
    expect(codes.length).toBeGreaterThan(235);
    for (const code of codes) {
      const extent = countryExtent(code);
      expect(code).toMatch(/^[A-Z]{2}$/);
      expect(extent !== null && isPoint(extent.centre)).toBe(true);
      expect(extent?.radiusKm).toBeGreaterThanOrEqual(10);
      expect(extent?.radiusKm).toBeLessThan(7_000);
    }
  });

  test("knows nothing of what is no country", () => {
    for (const code of ["", "XX", "constructor"]) expect(countryExtent(code)).toBeNull();
  });
});
