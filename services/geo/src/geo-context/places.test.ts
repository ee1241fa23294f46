import { expect, test } from "vitest";
import { locate } from "./places.ts";

test.each([
  ["GEO-20: the example", 14.6928, -17.4467, "SN", "Dakar", "Africa/Dakar"],
  ["a suburb", 14.7645, -17.366, "SN", "Dakar", "Africa/Dakar"],
  ["Abidjan", 5.34, -4.03, "CI", "Abidjan", "Africa/Abidjan"],
  ["Accra", 5.6, -0.19, "GH", "Accra", "Africa/Accra"],
  ["Lagos", 6.45, 3.39, "NG", "Lagos", "Africa/Lagos"],
  ["Paris", 48.8566, 2.3522, "FR", "Paris", "Europe/Paris"],
  ["Ouagadougou", 12.37, -1.52, "BF", "Ouagadougou", "Africa/Ouagadougou"],
  ["Banjul, within Senegal's outline", 13.4549, -16.579, "GM", "Banjul", "Africa/Banjul"],
  ["Lomé, on the border", 6.1319, 1.2228, "TG", "Lome", "Africa/Lome"],
  ["Pointe-à-Pitre, a territory of France", 16.24, -61.53, "GP", null, "America/Guadeloupe"],
  ["Ceuta, which ISO only reserves a code for", 35.889, -5.319, "ES", "Ceuta", "Africa/Ceuta"],
])("%s", (_name, lat, lon, country, city, timezone) => {
  const found = locate({ lat, lon });
  expect([found.country, found.timezone]).toEqual([country, timezone]);
  if (city !== null) expect(found.city).toBe(city);
});

test("a region comes with the town", () => {
  expect(locate({ lat: 14.79, lon: -16.93 })).toMatchObject({ city: "Thies", region: "Thiès" });
});

test("near a border the time is the country's own", () => {
  // 2 km into Togo, which keeps another time than Benin.
  expect(locate({ lat: 6.24, lon: 1.61 })).toMatchObject({
    country: "TG",
    timezone: "Africa/Lome",
  });
});

test("the desert is in a country and in no town", () => {
  expect(locate({ lat: 20.8, lon: -1.9 })).toMatchObject({
    country: "ML",
    city: null,
    region: null,
  });
});

test("the sea is in no country", () => {
  expect(locate({ lat: 30, lon: -45 })).toEqual({
    country: null,
    region: null,
    city: null,
    timezone: null,
  });
});
