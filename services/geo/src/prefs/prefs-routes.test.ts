import assert from "node:assert/strict";
import type { GeoPrefs } from "@vigie/schemas/types";
import { bearer, NOW_MS, person } from "@vigie/service-kit/testing/issuer";
import { describe, expect, test } from "vitest";
import { type TestGeo, testGeo } from "#test-geo";

const URL = "/v1/geo/prefs";
const ME = { tenantId: "molam-sn", userId: person.sub };

const get = async ({ app }: TestGeo) => app.inject({ url: URL, headers: await bearer(person) });
const put = async ({ app }: TestGeo, payload: object) =>
  app.inject({ method: "PUT", url: URL, headers: await bearer(person), payload });

function published({ book, codecs }: TestGeo): GeoPrefs[] {
  const decoder = codecs.decoder<GeoPrefs>("id.geo.prefs");
  return book.published.map(({ value }) => {
    assert.ok(value !== null);
    const outcome = decoder.decode(value);
    assert.ok(outcome.kind === "ok");
    return outcome.value;
  });
}

describe("GEO-16: GET", () => {
  test("whoever has never chosen has the defaults", async () => {
    const response = await get(testGeo());
    expect(response.statusCode).toBe(200);
    expect(response.headers["cache-control"]).toBe("no-store");
    expect(response.json()).toEqual({
      prefs: {
        gpsOptIn: false,
        precisionLevel: "city",
        preferredCountry: null,
        preferredCurrency: null,
        preferredLocale: null,
        preferredTimezone: null,
        homeCountry: null,
        automatic: [
          "preferredCountry",
          "preferredCurrency",
          "preferredLocale",
          "preferredTimezone",
        ],
      },
    });
  });
});

describe("GEO-17: PUT", () => {
  test("changes what is named and leaves the rest", async () => {
    const geo = testGeo();
    const first = await put(geo, { gpsOptIn: true, precisionLevel: "precise" });
    expect(first.statusCode).toBe(200);
    await put(geo, { homeCountry: "GH" });
    expect((await get(geo)).json().prefs).toMatchObject({
      gpsOptIn: true,
      precisionLevel: "precise",
      homeCountry: "GH",
      preferredCurrency: "GHS",
    });
  });

  test("id.geo.prefs tells the opt-in and the length of each change", async () => {
    const geo = testGeo();
    await put(geo, { gpsOptIn: true, precisionLevel: "neighborhood" });
    await put(geo, { precisionLevel: "country" });
    const common = { tenant_id: ME.tenantId, user_id: ME.userId, updated_at: NOW_MS };
    expect(published(geo)).toEqual([
      { ...common, gps_opt_in: true, precision: 6 },
      { ...common, gps_opt_in: true, precision: 2 },
    ]);
    expect(geo.book.published.map(({ key }) => key)).toEqual(
      Array(2).fill(`${ME.tenantId}|${ME.userId}`),
    );
  });

  test("GEO-22, CNF-25: a country brings its currency and time zone, and both are told of", async () => {
    const geo = testGeo();
    await put(geo, { preferredCountry: "SN" });
    const response = await put(geo, { preferredCountry: "FR", preferredTimezone: "UTC" });
    expect(response.json().prefs).toMatchObject({
      preferredCurrency: "EUR",
      preferredLocale: "fr_FR",
      preferredTimezone: "UTC",
      automatic: ["preferredCurrency", "preferredLocale"],
    });
    const { items } = await geo.book.events(ME, { type: null, limit: 10, after: null });
    const told = items.map(({ type, details }) => `${type} ${details.from} ${details.to}`);
    expect(told.toSorted()).toEqual([
      "currency_switched XOF EUR",
      "currency_switched null XOF",
      "timezone_updated Africa/Dakar UTC",
      "timezone_updated null Africa/Dakar",
    ]);
  });

  test("null lets a preference follow again; an inactive country is followed by nothing", async () => {
    const geo = testGeo();
    await put(geo, { homeCountry: "SN", preferredCurrency: "USD" });
    const again = await put(geo, { preferredCurrency: null });
    expect(again.json().prefs.preferredCurrency).toBe("XOF");
    const inMali = await put(geo, { homeCountry: "ML" });
    expect(inMali.json().prefs).toMatchObject({ homeCountry: "ML", preferredCurrency: null });
  });
});

describe("PUT refuses, or takes less", () => {
  test("GEO-19: a finer level without opt-in is refused, also when both are sent at once", async () => {
    for (const precisionLevel of ["neighborhood", "precise"]) {
      for (const body of [{ precisionLevel }, { precisionLevel, gpsOptIn: false }]) {
        const geo = testGeo();
        const response = await put(geo, body);
        expect([response.statusCode, response.json().code]).toEqual([400, "VIG_BODY_INVALID"]);
        expect(geo.book.published).toEqual([]);
      }
    }
  });

  test("PRV-06: withdrawing the opt-in erases positions and lowers a finer level", async () => {
    const geo = testGeo();
    await put(geo, { gpsOptIn: true, precisionLevel: "precise" });
    const position = { latitude: 14.6928, longitude: -17.4467 };
    const headers = await bearer(person);
    await geo.app.inject({ method: "POST", url: "/v1/geo/context", headers, payload: position });
    expect(geo.book.positions(ME)).toHaveLength(1);
    const response = await put(geo, { gpsOptIn: false });
    expect(response.json().prefs).toMatchObject({ gpsOptIn: false, precisionLevel: "city" });
    expect(geo.book.positions(ME)).toEqual([]);
    expect((await geo.book.read(ME)).context?.geohash).toBeNull();
  });

  test.each([
    [{}, "body"],
    [{ colour: "red" }, "colour"],
    [{ gpsOptIn: "true" }, "gpsOptIn"],
    [{ precisionLevel: "street" }, "precisionLevel"],
    [{ preferredCountry: "sn" }, "preferredCountry"],
    [{ preferredCountry: "ZZ" }, "preferredCountry"],
    [{ homeCountry: "XX" }, "homeCountry"],
    [{ preferredCurrency: "ABC" }, "preferredCurrency"],
    [{ preferredLocale: "french" }, "preferredLocale"],
    [{ preferredTimezone: "Africa/Atlantis" }, "preferredTimezone"],
    [{ preferredTimezone: "+0530" }, "preferredTimezone"],
    [{ preferredTimezone: "africa/dakar" }, "preferredTimezone"],
  ])("400 for %j", async (body, path) => {
    const response = await put(testGeo(), body);
    expect([response.statusCode, response.json().code]).toEqual([400, "VIG_BODY_INVALID"]);
    expect(response.json().detail).toContain(path);
  });
});

test("SEC-01, TEN-01: nobody without a token, no service, and everybody's own only", async () => {
  const geo = testGeo();
  await put(geo, { homeCountry: "SN" });
  expect((await geo.app.inject({ url: URL })).statusCode).toBe(401);
  const service = await geo.app.inject({ url: URL, headers: await bearer({}) });
  expect([service.statusCode, service.json().code]).toEqual([403, "VIG_PERSON_ONLY"]);
  for (const other of [
    { ...person, sub: "somebody" },
    { ...person, tenant_id: "molam-ci" },
  ]) {
    const response = await geo.app.inject({ url: URL, headers: await bearer(other) });
    expect(response.json().prefs.homeCountry).toBeNull();
  }
});

test("503 to change while schemas are not known; reading goes on", async () => {
  const geo = testGeo({ isReady: () => false });
  const response = await put(geo, { homeCountry: "SN" });
  expect([response.statusCode, response.json().code]).toEqual([503, "VIG_REGISTRY_AWAY"]);
  expect((await get(geo)).statusCode).toBe(200);
});
