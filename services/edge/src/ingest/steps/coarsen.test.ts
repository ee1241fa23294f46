import assert from "node:assert/strict";
import { haversineKm } from "@vigie/core/geo";
import fc from "fast-check";
import { describe, test } from "vitest";
import { coarsen, geohashOfLocation } from "./coarsen.ts";

const point = {
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
};
const lengths = fc.constantFrom(2, 3, 5, 6, 7);

describe("PRV-07: places no finer than a geohash cell of the length that is allowed", () => {
  test("the true place lies within the accuracy that is told", () => {
    const accuracy = fc.double({ min: 0, max: 50_000, noNaN: true });
    fc.assert(
      fc.property(fc.record({ ...point, accuracy_m: accuracy }), lengths, (given, length) => {
        const cut = coarsen({ source: "GPS", ...given }, length);
        const movedM = haversineKm(cut, given) * 1_000;
        assert.ok(cut.accuracy_m >= movedM + given.accuracy_m - 1);
      }),
    );
  });

  test("cutting again moves nothing, and all places of a cell look alike", () => {
    fc.assert(
      fc.property(fc.record(point), lengths, (given, length) => {
        const once = coarsen({ source: "IP", ...given }, length);
        const { lat, lon } = coarsen(once, length);
        assert.deepEqual({ lat, lon }, { lat: once.lat, lon: once.lon });
        assert.equal(geohashOfLocation(once, length)?.length, length);
      }),
    );
  });

  test("GPS without an accuracy counts as good to 100 m", () => {
    const cut = coarsen({ source: "GPS", lat: 14.69, lon: -17.44, accuracy_m: null }, 5);
    assert.equal(cut.accuracy_m, 3_499);
  });

  test("another place of unknown accuracy stays so in a cell smaller than readers assume", () => {
    const given = { source: "IP", lat: 14.69, lon: -17.44, accuracy_m: null };
    assert.equal(coarsen(given, 5).accuracy_m, null);
    assert.equal(coarsen(given, 3).accuracy_m, 133_842);
  });

  test("half a pair of coordinates is left out, the rest stays", () => {
    const cut = coarsen({ source: "IP", lat: 14.69, lon: null, country: "SN" }, 5);
    assert.deepEqual(cut, { source: "IP", lat: null, lon: null, country: "SN" });
    assert.equal(geohashOfLocation(cut, 5), null);
  });

  test("a region has no city, and a length of 0 no coordinates", () => {
    const given = { source: "GPS", lat: 14.69, lon: -17.44, country: "SN", city: "Dakar" };
    assert.equal(coarsen(given, 5).city, "Dakar");
    assert.partialDeepStrictEqual(coarsen(given, 3), { country: "SN", city: null });
    assert.deepEqual(coarsen(given, 0), { ...given, lat: null, lon: null, city: null });
  });
});
