import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { bearer, NOW_MS, person } from "@vigie/service-kit/testing/issuer";
import { describe, expect, test } from "vitest";
import { type TestGeo, testGeo } from "#test-geo";
import type { Country } from "./country.ts";
import { seed } from "./matrix.ts";
import { memoryCountries } from "./memory-countries.ts";

const URL = "/v1/geo/admin/countries";
const PLATFORM = { sub: "root", sid: "s-9", user_type: "INTERNAL", scope: "platform:admin" };
const [{ code: _, ...senegal }] = seed as readonly [Country];

const get = async ({ app }: TestGeo, code = "SN", claims: object = PLATFORM) =>
  app.inject({ method: "GET", url: `${URL}/${code}`, headers: await bearer({ ...claims }) });

interface Put {
  readonly code?: string;
  readonly body?: unknown;
  readonly ifMatch?: string | null;
  readonly claims?: object;
}

async function put(
  { app }: TestGeo,
  { code = "SN", body = senegal, ifMatch = '"1"', claims = PLATFORM }: Put,
) {
  const headers = {
    ...(await bearer({ ...claims })),
    "content-type": "application/json",
    ...(ifMatch !== null && { "if-match": ifMatch }),
  };
  const payload = JSON.stringify(body);
  return app.inject({ method: "PUT", url: `${URL}/${code}`, headers, payload });
}

describe("GET", () => {
  test("a country as it is stored, with its version", async () => {
    const response = await get(testGeo());
    expect([response.statusCode, response.headers.etag]).toEqual([200, '"1"']);
    expect(response.json()).toEqual({
      version: 1,
      updatedAt: "1970-01-01T00:00:00.000Z",
      updatedBy: "vigie",
      country: { code: "SN", ...senegal },
    });
  });

  test("one that is not in the matrix: 404", async () => {
    expect((await get(testGeo(), "DE")).json().code).toBe("VIG_NOT_FOUND");
  });
});

describe("PUT", () => {
  test("replaces the country, on record before it holds", async () => {
    const geo = testGeo();
    const body = { ...senegal, supportsMobileMoney: false };
    const response = await put(geo, { body, code: "sn" });
    expect([response.statusCode, response.headers.etag]).toEqual([200, '"2"']);
    expect(response.json()).toEqual({
      version: 2,
      updatedAt: new Date(NOW_MS).toISOString(),
      updatedBy: "root",
      country: { code: "SN", ...body },
    });
    expect((await get(geo)).json()).toEqual(response.json());
    expect(geo.audit.entries).toMatchObject([
      {
        action: "country.updated",
        subjectUserId: null,
        payload: {
          country: "SN",
          version: 2,
          before: { code: "SN", supportsMobileMoney: true },
          after: { code: "SN", supportsMobileMoney: false },
        },
      },
    ]);
  });

  test("GEO-01: takes another country", async () => {
    const geo = testGeo();
    const guinea = {
      ...senegal,
      name: "Guinée",
      phonePrefix: "+224",
      phoneExample: "+224 601 12 34 56",
      phonePattern: "^\\+2246\\d{8}$",
      currency: "GNF",
      currencySymbol: "FG",
      timezones: ["Africa/Conakry"],
      timezone: "Africa/Conakry",
      locales: ["fr_GN"],
      locale: "fr_GN",
      mcc: [611],
      carriers: [],
      capital: "Conakry",
    };
    expect((await put(geo, { code: "GN", body: guinea, ifMatch: '"0"' })).statusCode).toBe(200);
    expect((await get(geo, "GN")).json().country).toEqual({ code: "GN", ...guinea });
    expect(geo.audit.entries).toMatchObject([{ payload: { before: {}, version: 1 } }]);
  });
});

describe("a PUT that is refused", () => {
  test("names every fault, changes nothing and puts nothing on record", async () => {
    const geo = testGeo();
    const response = await put(geo, { body: { ...senegal, currency: "ABC", mcc: [612] } });
    expect([response.statusCode, response.json().code]).toEqual([422, "VIG_COUNTRY_INVALID"]);
    expect(response.json().errors.map(({ path }: { path: string }) => path)).toEqual([
      "currency",
      "mcc",
    ]);
    expect((await get(geo)).headers.etag).toBe('"1"');
    expect(geo.audit.entries).toEqual([]);
  });

  test.each([
    ["an unknown member", { ...senegal, extra: 1 }],
    ["a missing member", { ...senegal, capital: undefined }],
    ["another type", { ...senegal, active: "true" }],
    ["a code that is another's", { ...senegal, code: "CI" }],
    ["a control character", { ...senegal, name: "Sénégal\u0000" }],
    ["more than a column takes", { ...senegal, ussdPrefix: `*131${"*1".repeat(40)}#` }],
    ["half a character", { ...senegal, capital: "Dakar\ud800" }],
    ["a control character in an address", { ...senegal, ussdGatewayUrl: "https://a.example/\n" }],
    ["no object", []],
  ])("%s: 400", async (_name, body) => {
    const response = await put(testGeo(), { body });
    expect([response.statusCode, response.json().code]).toEqual([400, "VIG_BODY_INVALID"]);
  });

  test.each([
    ["no If-Match", null, 428, "VIG_IF_MATCH_MISSING"],
    ["an older version", '"0"', 412, "VIG_VERSION_STALE"],
    ["a later one", '"7"', 412, "VIG_VERSION_STALE"],
    ["any", "*", 412, "VIG_VERSION_STALE"],
    ["a weak tag", 'W/"1"', 412, "VIG_VERSION_STALE"],
  ])("%s: refused", async (_name, ifMatch, status, code) => {
    const geo = testGeo();
    const response = await put(geo, { ifMatch });
    expect([response.statusCode, response.json().code]).toEqual([status, code]);
    expect(geo.audit.entries).toEqual([]);
  });
});

describe("who may not", () => {
  test.each([
    ["an administrator of a tenant", { ...PLATFORM, scope: "id:admin" }],
    ["a person", person],
    ["a service", {}],
  ])("%s: 403, on record", async (_name, claims) => {
    const geo = testGeo();
    const responses = [await get(geo, "SN", claims), await put(geo, { claims })];
    expect(responses.map(({ statusCode }) => statusCode)).toEqual([403, 403]);
    expect(geo.audit.refusals).toHaveLength(2);
  });

  test("nobody: 401", async () => {
    const response = await testGeo().app.inject({ url: `${URL}/SN` });
    expect(response.statusCode).toBe(401);
  });
});

describe("what fails", () => {
  test("a change that cannot be put on record does not happen", async () => {
    const audit = {
      ...memoryAudit(),
      record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "test" })),
    };
    const countryStore = memoryCountries();
    const response = await put(testGeo({ audit, countryStore }), {});
    expect([response.statusCode, response.json().code]).toEqual([503, "VIG_AUDIT_WRITE_FAILED"]);
    expect((await countryStore.read("SN"))?.version).toBe(1);
  });

  test("one that fails after it was put on record is put on record as undone", async () => {
    const store = memoryCountries();
    const countryStore = {
      ...store,
      change: async (...[, beforeCommit]: Parameters<typeof store.change>) => {
        await beforeCommit(await store.read("SN"));
        throw new VigError("VIG_DATABASE_AWAY", { why: "test" });
      },
    };
    const geo = testGeo({ countryStore });
    expect((await put(geo, {})).statusCode).toBe(503);
    expect(geo.audit.entries.map(({ action }) => action)).toEqual([
      "country.updated",
      "country.update_undone",
    ]);
  });
});
