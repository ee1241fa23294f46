import assert from "node:assert/strict";
import { haversineKm } from "@vigie/core/geo";
import fc from "fast-check";
import { describe, test } from "vitest";
import { coarsen, geohashOfLocation } from "./coarsen.ts";

const point = {
  lat: fc.double({ min: -90, max: 90, noNaN: true }),
  lon: fc.double({ min: -180, max: 180, noNaN: true }),
};

describe("PRV-07: places no finer than a geohash-5 cell", () => {
  test("the true place lies within the accuracy that is told", () => {
    const accuracy = fc.double({ min: 0, max: 50_000, noNaN: true });
    fc.assert(
      fc.property(fc.record({ ...point, accuracy_m: accuracy }), (given) => {
        const cut = coarsen({ source: "GPS", ...given });
        const movedM = haversineKm(cut, given) * 1_000;
        assert.ok(cut.accuracy_m >= movedM + given.accuracy_m - 1);
      }),
    );
  });

  test("cutting again changes nothing, and all places of a cell look alike", () => {
    fc.assert(
      fc.property(fc.record(point), (given) => {
        const once = coarsen({ source: "IP", ...given });
        assert.deepEqual(coarsen(once), once);
        assert.equal(geohashOfLocation(once), geohashOfLocation(given));
      }),
    );
  });

  test("GPS without an accuracy counts as good to 100 m", () => {
    const cut = coarsen({ source: "GPS", lat: 14.69, lon: -17.44, accuracy_m: null });
    assert.equal(cut.accuracy_m, 3_560);
  });

  test("another place of unknown accuracy stays of unknown accuracy", () => {
    const cut = coarsen({ source: "IP", lat: 14.69, lon: -17.44, accuracy_m: null });
    assert.equal(cut.accuracy_m, null);
  });

  test("half a pair of coordinates is left out, the rest stays", () => {
    const cut = coarsen({ source: "IP", lat: 14.69, lon: null, country: "SN" });
    assert.deepEqual(cut, { source: "IP", lat: null, lon: null, country: "SN" });
    assert.equal(geohashOfLocation(cut), null);
  });
});
