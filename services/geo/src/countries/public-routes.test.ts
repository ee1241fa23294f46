import { describe, expect, test } from "vitest";
import { limitedTo, type TestGeo, testGeo } from "#test-geo";
import { Countries, seededCountries } from "./countries.ts";
import { seed } from "./matrix.ts";

const URL = "/v1/geo/countries";
const get = ({ app }: TestGeo, path = "", headers: Record<string, string> = {}) =>
  app.inject({ method: "GET", url: URL + path, headers });

describe("GEO-11: the list", () => {
  test("is public and has the active countries with exactly these members", async () => {
    const response = await get(testGeo());
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toBe("application/json; charset=utf-8");
    const { countries } = response.json();
    expect(countries.map(({ code }: { code: string }) => code)).toEqual([
      "CI",
      "FR",
      "GH",
      "NG",
      "SN",
    ]);
    expect(countries.at(-1)).toEqual({
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
    });
  });

  test("is told in a few bytes to whom has it, until it changes", async () => {
    const matrix = { current: seededCountries };
    const geo = testGeo({ countries: matrix });
    const { etag } = (await get(geo)).headers;
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const again = await get(geo, "", { "if-none-match": String(etag) });
    expect([again.statusCode, again.body]).toEqual([304, ""]);
    matrix.current = new Countries(seed.map((country) => ({ ...country, active: true })));
    const changed = await get(geo, "", { "if-none-match": String(etag) });
    expect(changed.statusCode).toBe(200);
    expect(changed.json().countries).toHaveLength(9);
  });
});

describe("GEO-12: one country", () => {
  test("is public, however its code is written", async () => {
    const geo = testGeo();
    const response = await get(geo, "/SN");
    expect(response.statusCode).toBe(200);
    expect(response.json()).toMatchObject({
      code: "SN",
      name: "Sénégal",
      active: true,
      phonePattern: "^\\+2217\\d{8}$",
      timezones: ["Africa/Dakar"],
      locales: ["fr_SN", "wo_SN"],
      ussdPrefix: "*131#",
      mcc: [608],
      capital: "Dakar",
    });
    expect((await get(geo, "/sn")).json()).toEqual(response.json());
  });

  test("an inactive one is told as such", async () => {
    expect((await get(testGeo(), "/ML")).json()).toMatchObject({ code: "ML", active: false });
  });

  test("its gateway is nobody's business", async () => {
    const secret = "https://ussd.example/in";
    const current = new Countries(seed.map((one) => ({ ...one, ussdGatewayUrl: secret })));
    const geo = testGeo({ countries: { current } });
    for (const path of ["", "/SN"]) expect((await get(geo, path)).body).not.toContain(secret);
  });

  test.each(["/DE", "/xyz", "/ß", "/%00", "/constructor"])("%s is none: 404", async (path) => {
    const response = await get(testGeo(), path);
    expect([response.statusCode, response.json().code]).toEqual([404, "VIG_NOT_FOUND"]);
  });
});

test("both are limited by address", async () => {
  const geo = testGeo(limitedTo(2));
  await get(geo);
  await get(geo, "/SN");
  const refused = await get(geo);
  expect([refused.statusCode, refused.json().code]).toEqual([429, "VIG_RATE_LIMITED"]);
  const other = await geo.app.inject({ url: URL, remoteAddress: "198.51.100.7" });
  expect(other.statusCode).toBe(200);
});
