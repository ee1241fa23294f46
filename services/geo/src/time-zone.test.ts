import { expect, test } from "vitest";
import { isTimeZone } from "./time-zone.ts";

test.each([
  "Africa/Dakar",
  "Africa/Porto-Novo",
  "America/Port-au-Prince",
  "America/Argentina/Buenos_Aires",
  "Asia/Kolkata",
  "Europe/Kyiv",
  "Etc/GMT+1",
  "UTC",
])("%s is a time zone", (name) => {
  expect(isTimeZone(name)).toBe(true);
});

test("every zone that the platform lists is one", () => {
  expect(Intl.supportedValuesOf("timeZone").filter((name) => !isTimeZone(name))).toEqual([]);
});

test.each([
  "africa/dakar",
  "Africa/dakar",
  "Africa/DaKar",
  "AFRICA/DAKAR",
  "asia/kolkata",
  "Asia/kolkata",
  "Asia/KOLKATA",
  "Utc",
  "Africa/Atlantis",
  "+0530",
  "+05:30",
  "",
])("%j is none", (name) => {
  expect(isTimeZone(name)).toBe(false);
});
