import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { instantMs } from "./event-time.ts";

test.each([
  ["2026-01-05T10:00:00Z", 1_767_607_200_000],
  ["2026-01-05T10:00Z", 1_767_607_200_000],
  ["2026-01-05T10:00:00.5+00:00", 1_767_607_200_500],
  ["2026-01-05T15:30:00.000000001+05:30", 1_767_607_200_000],
  ["2024-02-29T00:00:00Z", 1_709_164_800_000],
])("%s", (text, expectedMs) => assert.equal(instantMs(text), expectedMs));

test.each([
  "2026-01-05",
  "2026-01-05T10:00:00",
  "2026-02-29T00:00:00Z",
  "2026-02-30T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-01-05T25:00:00Z",
  "2026-W02-1T10:00:00Z",
  "Mon, 05 Jan 2026 10:00:00 GMT",
  "1767607200000",
  "2026-01-05T10:00:00Z\n",
  "",
])("%j names no time", (text) => assert.equal(instantMs(text), null));

test("every time that JavaScript writes is read back", () => {
  const dates = fc.date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59Z"),
    noInvalidDate: true,
  });
  fc.assert(fc.property(dates, (date) => instantMs(date.toISOString()) === date.getTime()));
});
