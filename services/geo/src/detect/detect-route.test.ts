import { strictBody } from "@vigie/service-kit/http/strict-body";
import { describe, expect, test } from "vitest";
import { geoipOf, limitedTo, type TestGeo, testGeo } from "#test-geo";
import { detectionAnswer } from "./detect-route.ts";

const FRENCH = "90.1.0.1";
const geoip = geoipOf({ [FRENCH]: { country: "FR", region: "Île-de-France", isVpn: true } });

const post = (
  { app }: TestGeo,
  payload: object | string,
  { remoteAddress = "127.0.0.1", type = "application/json" } = {},
) =>
  app.inject({
    method: "POST",
    url: "/v1/geo/detect",
    headers: { "content-type": type },
    payload,
    remoteAddress,
  });

describe("GEO-13, GEO-14: POST /v1/geo/detect", () => {
  test("is public; with all given the phone number counts", async () => {
    const body = { phone: "+221771234567", mcc: 608, mnc: 1, ip: FRENCH };
    const response = await post(testGeo({ geoip }), body);
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      "content-type": "application/json; charset=utf-8",
      "cache-control": "no-store",
    });
    expect(response.json()).toEqual({
      country: "SN",
      detectionMethod: "phone",
      active: true,
      countryData: {
        code: "SN",
        name: "Sénégal",
        currency: "XOF",
        currencySymbol: "CFA",
        timezone: "Africa/Dakar",
        phonePrefix: "+221",
        phoneExample: "+221 77 123 45 67",
        locale: "fr_SN",
        supportsUssd: true,
        supportsMobileMoney: true,
      },
      geoData: {
        city: null,
        region: null,
        timezone: "Africa/Dakar",
        isVpn: true,
        isMobile: true,
        carrier: "Orange",
      },
      candidates: { phone: ["SN"], sim: ["SN"], ip: ["FR"] },
      mismatch: [
        { methods: ["phone", "ip"], countries: [["SN"], ["FR"]] },
        { methods: ["sim", "ip"], countries: [["SN"], ["FR"]] },
      ],
    });
  });

  test("an empty body means the caller's own address", async () => {
    const response = await post(testGeo({ geoip }), {}, { remoteAddress: FRENCH });
    expect(response.json()).toMatchObject({
      country: "FR",
      detectionMethod: "ip",
      geoData: { region: "Île-de-France", timezone: "Europe/Paris", isVpn: true },
    });
  });

  test.each([
    [{ mcc: 608 }, ["SN"]],
    [{ mnc: 1 }, null],
  ])("the caller's own address is not looked at when something is given: %j", async (body, sim) => {
    const response = await post(testGeo({ geoip }), body, { remoteAddress: FRENCH });
    expect(response.json()).toMatchObject({
      candidates: { phone: null, sim, ip: null },
      mismatch: [],
    });
  });

  test("nothing that tells a country: null", async () => {
    const response = await post(testGeo(), { phone: "garbage", ip: "10.0.0.1", mcc: 1 });
    expect(response.json()).toMatchObject({
      country: null,
      detectionMethod: null,
      active: false,
      countryData: null,
      candidates: { phone: [], sim: [], ip: [] },
    });
  });
});

describe("what is refused", () => {
  test.each([
    ["a member that nobody knows", { phone: "+221771234567", lat: 14.69 }, 400],
    ["a number as text", { mcc: "608" }, 400],
    ["a code that is none", { mcc: 1_000 }, 400],
    ["no text", { phone: 221771234567 }, 400],
    ["a text without end", { phone: "1".repeat(33) }, 400],
    ["an empty text", { ip: "" }, 400],
    ["no object", [], 400],
    ["no JSON", "{", 400],
  ])("%s", async (_name, body, status) => {
    expect((await post(testGeo(), body)).statusCode).toBe(status);
  });

  test("another media type: 415", async () => {
    expect((await post(testGeo(), "phone=1", { type: "text/plain" })).statusCode).toBe(415);
  });

  test("too many calls of one address: 429", async () => {
    const geo = testGeo(limitedTo(1));
    expect((await post(geo, { mcc: 608 })).statusCode).toBe(200);
    const refused = await post(geo, { mcc: 608 });
    expect([refused.statusCode, refused.headers["retry-after"]]).toEqual([429, "60"]);
    const other = await post(geo, { mcc: 608 }, { remoteAddress: "198.51.100.7" });
    expect(other.statusCode).toBe(200);
  });
});

test("every answer is as its schema describes it", async () => {
  const judge = strictBody({ schema: detectionAnswer } as Parameters<typeof strictBody>[0]);
  const geo = testGeo({ geoip });
  const bodies = [{ phone: "+221771234567", mcc: 608, mnc: 1, ip: FRENCH }, { mcc: 262 }, {}];
  for (const body of bodies) {
    const answer = (await post(geo, body)).json();
    expect(judge(answer)).toEqual({ value: answer });
  }
  expect(judge({ country: 1 })).toHaveProperty("error");
});

test("OBS-04: every lookup is counted by method and outcome", async () => {
  const geo = testGeo();
  for (const body of [{ mcc: 608 }, { mcc: 610 }, { mcc: 262 }, { phone: "?" }]) {
    await post(geo, body);
  }
  const text = await geo.metrics.registry.metrics();
  for (const [method, outcome] of [
    ["sim", "found"],
    ["sim", "inactive"],
    ["sim", "unsupported"],
    ["none", "unknown"],
  ]) {
    expect(text).toContain(`geo_lookups_total{method="${method}",outcome="${outcome}"} 1`);
  }
});

test("neither number nor address is in a log line", async () => {
  const geo = testGeo({ geoip });
  await post(geo, { phone: "+221771234567", ip: FRENCH });
  await post(geo, { phone: "+221771234567", ip: FRENCH, extra: 1 });
  expect(geo.lines.length).toBeGreaterThan(0);
  expect(geo.lines.join("")).not.toMatch(/771234567|90\.1\.0\.1/);
});
