import { describe, expect, test } from "vitest";
import type { GeoContext } from "#geo-context/geo-context";
import { changePrefs } from "./change-prefs.ts";
import { defaultPrefs, effectivePrefs, type Prefs, switchesOf } from "./prefs.ts";

const served: Readonly<Record<string, { currency: string; timezone: string; locale: string }>> = {
  SN: { currency: "XOF", timezone: "Africa/Dakar", locale: "fr_SN" },
  GH: { currency: "GHS", timezone: "Africa/Accra", locale: "en_GH" },
  NG: { currency: "NGN", timezone: "Africa/Lagos", locale: "en_NG" },
  FR: { currency: "EUR", timezone: "Europe/Paris", locale: "fr_FR" },
};
const countryOf = (code: string) => served[code] ?? null;
const chosen = (more: Partial<Prefs>): Prefs => ({ ...defaultPrefs, ...more });
const inFrance = { country: "FR", timezone: "Europe/Paris" };

describe("GEO-22: what was not chosen follows the country", () => {
  test.each([
    ["SN", "XOF", "Africa/Dakar"],
    ["GH", "GHS", "Africa/Accra"],
    ["NG", "NGN", "Africa/Lagos"],
    ["FR", "EUR", "Europe/Paris"],
  ])("%s: %s, %s", (country, currency, timezone) => {
    expect(effectivePrefs(defaultPrefs, { country, timezone: null }, countryOf)).toMatchObject({
      preferredCountry: country,
      preferredCurrency: currency,
      preferredTimezone: timezone,
    });
  });

  test("GEO-16: of whoever has never chosen and is nowhere, nothing is known but the defaults", () => {
    const { automatic, ...prefs } = effectivePrefs(defaultPrefs, null, countryOf);
    expect(prefs).toEqual(defaultPrefs);
    expect(automatic).toHaveLength(4);
  });

  test("a chosen country counts before where one is, and home comes last", () => {
    const both = chosen({ preferredCountry: "SN", homeCountry: "GH" });
    const currencyOf = (prefs: Prefs, here: typeof inFrance | null) =>
      effectivePrefs(prefs, here, countryOf).preferredCurrency;
    expect(currencyOf(both, inFrance)).toBe("XOF");
    expect(currencyOf(chosen({ homeCountry: "GH" }), inFrance)).toBe("EUR");
    expect(currencyOf(chosen({ homeCountry: "GH" }), null)).toBe("GHS");
  });

  test("a journey to a country that is not served leaves everything as at home", () => {
    const prefs = chosen({ homeCountry: "SN" });
    const inJapan = { country: "JP", timezone: "Asia/Tokyo" };
    expect(effectivePrefs(prefs, inJapan, countryOf)).toMatchObject({
      preferredCountry: "SN",
      preferredCurrency: "XOF",
      preferredTimezone: "Africa/Dakar",
    });
  });

  test("the time zone of where one is counts before the default of its country", () => {
    const inCanaries = { country: "FR", timezone: "America/Cayenne" };
    expect(effectivePrefs(defaultPrefs, inCanaries, countryOf).preferredTimezone).toBe(
      "America/Cayenne",
    );
    const elsewhere = chosen({ preferredCountry: "SN" });
    expect(effectivePrefs(elsewhere, inCanaries, countryOf).preferredTimezone).toBe("Africa/Dakar");
  });

  test("what was chosen stays, and is not called automatic", () => {
    const prefs = chosen({ preferredCurrency: "USD", preferredTimezone: "UTC" });
    expect(effectivePrefs(prefs, inFrance, countryOf)).toMatchObject({
      preferredCurrency: "USD",
      preferredTimezone: "UTC",
      preferredLocale: "fr_FR",
      automatic: ["preferredCountry", "preferredLocale"],
    });
  });
});

test("CNF-25: a changed currency and a changed time zone are told of, each by itself", () => {
  const before = chosen({ preferredCurrency: "XOF", preferredTimezone: "Africa/Dakar" });
  expect(switchesOf(before, before)).toEqual([]);
  expect(switchesOf(before, { ...before, preferredCurrency: "EUR" })).toEqual([
    { type: "currency_switched", from: "XOF", to: "EUR" },
  ]);
  expect(switchesOf(before, { ...before, preferredTimezone: null })).toEqual([
    { type: "timezone_updated", from: "Africa/Dakar", to: null },
  ]);
});

test.each([
  ["a level without time zones", { precisionLevel: "country" }],
  ["PRV-06: withdrawing what the time zone was known by", { gpsOptIn: false }],
] as const)("%s brings back that of the country, and tells of it", (_what, body) => {
  const context: GeoContext = {
    source: "gps",
    country: "FR",
    region: "Guyane",
    city: "Cayenne",
    geohash: "dbqg1",
    timezone: "America/Cayenne",
    isVpn: false,
    isMobile: true,
    carrier: null,
    capturedAtMs: 0,
  };
  const atlas = { countryOf, newId: () => "e-1", nowMs: 1 };
  const prefs = chosen({ gpsOptIn: true });
  const { held, events } = changePrefs({ prefs, context }, body, atlas);
  expect(held.context).toMatchObject({ country: "FR", city: null, timezone: null });
  expect(events).toMatchObject([
    { type: "timezone_updated", details: { from: "America/Cayenne", to: "Europe/Paris" } },
  ]);
});
