import type { GeoPrefs } from "@vigie/schemas/types";
import { expect, test } from "vitest";
import { ConsentTimes } from "./consent-times.ts";

const prefs = (precision: number, gpsOptIn = true): GeoPrefs => ({
  tenant_id: "acme",
  user_id: "u-1",
  gps_opt_in: gpsOptIn,
  precision,
  updated_at: 0,
});

test("what counted at a time is what was said last before it, at the same time too", () => {
  const times = new ConsentTimes();
  times.take("acme|u-1", prefs(3), 100);
  times.take("acme|u-1", prefs(7, false), 200);
  times.take("acme|u-1", null, 300);
  expect([100, 199, 200, 299, 300, 1_000].map((atMs) => times.at("acme|u-1", atMs))).toEqual([
    3, 3, 5, 5, 6, 6,
  ]);
  expect(times.at("acme|u-2", 100)).toBe(6);
});

test("of the time before all that is known the oldest counts", () => {
  const times = new ConsentTimes();
  times.take("acme|u-1", prefs(2), 100);
  times.take("acme|u-1", prefs(5), 200);
  expect(times.at("acme|u-1", 0)).toBe(2);
});
