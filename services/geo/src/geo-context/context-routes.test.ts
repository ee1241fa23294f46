import assert from "node:assert/strict";
import { checkEvent } from "@vigie/schemas/admit";
import type { GeoEvent } from "@vigie/schemas/types";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { bearer, issuerAuth, NOW_MS, person } from "@vigie/service-kit/testing/issuer";
import { describe, expect, test } from "vitest";
import { geoipOf, type TestGeo, testGeo } from "#test-geo";

const URL = "/v1/geo/context";
const ME = { tenantId: "molam-sn", userId: person.sub };
const EXAMPLE = {
  latitude: 14.6928,
  longitude: -17.4467,
  accuracy: 10,
  mcc: 608,
  mnc: 1,
  carrier: "Orange SN",
};
const inFrance = { country: "FR", organisation: "Orange S.A.", asn: 3215 };

const post = async ({ app }: TestGeo, payload: object, remoteAddress = "41.82.0.1") =>
  app.inject({ method: "POST", url: URL, headers: await bearer(person), payload, remoteAddress });
const get = async ({ app }: TestGeo) => app.inject({ url: URL, headers: await bearer(person) });
const optIn = async ({ app }: TestGeo, more: object = {}) =>
  app.inject({
    method: "PUT",
    url: "/v1/geo/prefs",
    headers: await bearer(person),
    payload: { gpsOptIn: true, ...more },
  });
const counted = async ({ metrics }: TestGeo, name: string) =>
  metrics.registry.getSingleMetricAsString(name);

function fed({ output, codecs }: TestGeo): GeoEvent[] {
  const decoder = codecs.decoder<GeoEvent>("id.geo");
  return output.produced.map(({ value }) => {
    const outcome = decoder.decode(value);
    assert.ok(outcome.kind === "ok");
    assert.deepEqual(checkEvent("id.geo", outcome.value), []);
    return outcome.value;
  });
}

describe("GEO-20: POST", () => {
  test("the example", async () => {
    const geo = testGeo();
    await optIn(geo);
    const response = await post(geo, EXAMPLE);
    expect(response.statusCode).toBe(200);
    expect(response.json()).toEqual({
      status: "ok",
      gps: "used",
      context: { country: "SN", city: "Dakar", timezone: "Africa/Dakar", source: "gps" },
    });
    expect(await counted(geo, "gps_captures_total")).toContain('{outcome="used"} 1');
  });

  test("id.geo gets the centre and radius of the cell, and what the network shows", async () => {
    const geo = testGeo();
    await optIn(geo);
    await post(geo, EXAMPLE);
    const [event] = fed(geo);
    expect(event).toMatchObject({
      tenant_id: ME.tenantId,
      user_id: ME.userId,
      session_id: "s-1",
      channel: "UNKNOWN",
      occurred_at: NOW_MS,
      network: { ip: "41.82.0.1" },
      location: { source: "GPS", country: "SN", city: "Dakar" },
      sim: { mcc: 608, mnc: 1, carrier: "Orange SN" },
      geohash: "edeed",
      source: "geo",
    });
    // Source: the algorithm: a cell of five characters is 0.044 degrees of both.
    expect(event?.location?.lat).toBeCloseTo(14.6997, 4);
    expect(event?.location?.lon).toBeCloseTo(-17.4683, 4);
    expect(event?.location?.accuracy_m).toBeGreaterThan(3_000);
    expect(geo.output.produced[0]?.key).toBe(`${ME.tenantId}|${ME.userId}`);
  });

  test("PRV-06: without opt-in a position is refused, and nothing of it leaves or stays", async () => {
    const geo = testGeo();
    const response = await post(geo, EXAMPLE);
    expect(response.json()).toEqual({
      status: "ok",
      gps: "refused",
      context: { country: "SN", city: null, timezone: null, source: "sim" },
    });
    expect(fed(geo)[0]).toMatchObject({ location: null, geohash: null });
    expect(geo.book.positions(ME)).toEqual([]);
    const held = JSON.stringify([await geo.book.read(ME), geo.lines]);
    expect(held).not.toMatch(/14\.69|17\.44|edeed/);
  });

  test("a SIM's network is named by the matrix when the phone does not", async () => {
    const geo = testGeo();
    await post(geo, { mcc: 608, mnc: 1 });
    expect((await get(geo)).json().context.carrier).toBe("Orange");
  });

  test("ANO-12: a SIM against its address is on record and counted", async () => {
    const geo = testGeo({ geoip: geoipOf({ "90.1.0.1": { ...inFrance, isVpn: true } }) });
    await post(geo, { mcc: 608 }, "90.1.0.1");
    const { items } = await geo.book.events(ME, {
      type: "country_mismatch",
      limit: 5,
      after: null,
    });
    expect(items[0]?.details).toEqual({ simCountries: ["SN"], ipCountry: "FR", riskScore: 50 });
    const frauds = await counted(geo, "fraud_detections_total");
    expect(frauds).toContain('{kind="country_mismatch"} 1');
    expect(frauds).toContain('{kind="vpn_detected"} 1');
    expect(JSON.stringify(items)).not.toContain("90.1.0.1");
  });
});

describe("POST refuses", () => {
  test.each([
    { latitude: 14 },
    { longitude: 14 },
    { latitude: 91, longitude: 0 },
    { latitude: 0, longitude: -181 },
    { latitude: "14", longitude: "-17" },
    { accuracy: 10 },
    { ...EXAMPLE, accuracy: -1 },
    { mcc: 100 },
    { mnc: 1 },
    { carrier: "Orange" },
    { mcc: 608, carrier: "" },
    { mcc: 608, carrier: "Orange\n" },
    { mcc: 608, carrier: "\u0000" },
    { ip: "41.82.0.1" },
  ])("400 for %j, and nothing happens", async (body) => {
    const geo = testGeo();
    const response = await post(geo, body);
    expect([response.statusCode, response.json().code]).toEqual([400, "VIG_BODY_INVALID"]);
    expect(response.body).not.toContain("17.4467");
    expect(geo.output.produced).toEqual([]);
    expect((await geo.book.read(ME)).context).toBeNull();
  });

  test("429 for the thirteenth at once, of this person alone, and reading goes on", async () => {
    const auth = { ...issuerAuth(), limiter: new LocalRateLimiter({ clock: () => NOW_MS }) };
    const geo = testGeo({ auth });
    for (let i = 0; i < 12; i++) expect((await post(geo, { mcc: 608 })).statusCode).toBe(200);
    const response = await post(geo, { mcc: 608 });
    expect([response.statusCode, response.json().code]).toEqual([429, "VIG_RATE_LIMITED"]);
    expect(response.headers["retry-after"]).toBe("5");
    expect(geo.output.produced).toHaveLength(12);
    expect((await get(geo)).statusCode).toBe(200);
    const headers = await bearer({ ...person, sub: "somebody" });
    const other = await geo.app.inject({ method: "POST", url: URL, headers, payload: {} });
    expect(other.statusCode).toBe(200);
  });

  test("503 when the broker does not take it", async () => {
    const geo = testGeo();
    geo.output.answer(false);
    const answer = post(geo, { mcc: 608 });
    await expect.poll(() => geo.output.bufferedBytes).toBeGreaterThan(0);
    geo.output.giveUp();
    const response = await answer;
    expect([response.statusCode, response.json().code]).toEqual([503, "VIG_BROKER_AWAY"]);
    expect(response.headers["retry-after"]).toBeDefined();
  });

  test("an empty capture is one of the address", async () => {
    const geo = testGeo({ geoip: geoipOf({ "90.1.0.1": inFrance }) });
    const response = await post(geo, {}, "90.1.0.1");
    expect(response.json()).toMatchObject({
      gps: "absent",
      context: { country: "FR", source: "ip" },
    });
  });
});

describe("GEO-21: GET", () => {
  test("404 before the first capture", async () => {
    const response = await get(testGeo());
    expect([response.statusCode, response.json().code]).toEqual([404, "VIG_NOT_FOUND"]);
  });

  test("the last context, cut to the level", async () => {
    const geo = testGeo();
    await optIn(geo, { precisionLevel: "precise" });
    await post(geo, EXAMPLE);
    expect((await get(geo)).json().context).toEqual({
      source: "gps",
      country: "SN",
      region: "Dakar",
      city: "Dakar",
      geohash: "edeedfx",
      timezone: "Africa/Dakar",
      isVpn: false,
      isMobile: true,
      carrier: "Orange SN",
      capturedAt: new Date(NOW_MS).toISOString(),
    });
    await optIn(geo, { precisionLevel: "region" });
    expect((await get(geo)).json().context).toMatchObject({ geohash: "ede", city: null });
  });
});

describe("GEO-09: GET /v1/geo/events", () => {
  const events = async ({ app }: TestGeo, query = "", claims: object = person) =>
    app.inject({ url: `/v1/geo/events${query}`, headers: await bearer({ ...claims }) });

  test("a person reads what is on record of them, page by page", async () => {
    const geo = testGeo();
    for (const mcc of [608, 612, 620]) await post(geo, { mcc });
    const all = (await events(geo, "?limit=100")).json();
    // One capture each, and each country brings another time zone; two of the currencies are one.
    expect(all.events).toHaveLength(3 + 3 + 2);
    expect(all.next).toBeNull();
    const ids: string[] = [];
    for (let query = "?limit=3"; query !== ""; ) {
      const page = (await events(geo, query)).json();
      ids.push(...page.events.map(({ id }: { id: string }) => id));
      query = page.next === null ? "" : `?limit=3&cursor=${page.next}`;
    }
    expect(ids).toEqual(all.events.map(({ id }: { id: string }) => id));
  });

  test("one type alone; nobody else's", async () => {
    const geo = testGeo();
    await post(geo, { mcc: 608 });
    const found = (await events(geo, "?type=currency_switched")).json().events;
    expect(found).toMatchObject([
      { type: "currency_switched", country: "SN", details: { from: null, to: "XOF" } },
    ]);
    const others = await events(geo, "", { ...person, sub: "somebody" });
    expect(others.json()).toEqual({ events: [], next: null });
  });

  test.each(["?type=x", "?limit=0", "?limit=101", "?cursor=x", "?user=awa"])(
    "400 for %s",
    async (query) => {
      const response = await events(testGeo(), query);
      expect([response.statusCode, response.json().code]).toEqual([400, "VIG_QUERY_INVALID"]);
    },
  );
});
