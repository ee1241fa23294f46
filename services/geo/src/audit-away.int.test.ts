import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { bearer, NOW_MS, person } from "@vigie/service-kit/testing/issuer";
import type { InjectOptions, RouteOptions } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { postgresCountries } from "./countries/country-store.ts";
import { testGeo, testKeys } from "./test-geo.ts";
import { type GeoTables, geoTables, optIn } from "./test-tables.ts";
import { createLinkBook } from "./ussd/links/link-book.ts";
import { putServiceCode } from "./ussd/links/service-codes.ts";

/** AUD-06 at every route that has its record first: with the audit away nothing is answered, and nothing is done. */

const TENANT = "molam-sn";
const PERSON = { ...person, tenant_id: TENANT };
const ADMIN = { sub: "console", tenant_id: TENANT, scope: "id:admin" };
const PLATFORM = { ...ADMIN, scope: "platform:admin" };
const PHONE = "+221771234567";
const CODE = { tenant_id: TENANT, service_code: "*131#", country: "SN" };
const LINKS = "/v1/ussd/admin/links";

interface Call extends Pick<InjectOptions, "url" | "payload" | "headers"> {
  readonly claims: Record<string, unknown>;
}

/** A sound call of every such route, by its pattern. */
const calls: Readonly<Record<string, Call>> = {
  "DELETE /v1/geo/prefs": { url: "/v1/geo/prefs", claims: PERSON },
  "PUT /v1/geo/admin/countries/:code": { url: "/v1/geo/admin/countries/ML", claims: PLATFORM },
  "PUT /v1/ussd/pin": { url: "/v1/ussd/pin", payload: { pin: "482915" }, claims: PERSON },
  "POST /v1/ussd/pin/reset-code": { url: "/v1/ussd/pin/reset-code", claims: PERSON },
  "PUT /v1/ussd/admin/links": {
    url: LINKS,
    payload: { phone: "+221776543210", user_id: "usr_2" },
    claims: ADMIN,
  },
  "POST /v1/ussd/admin/links/remove": {
    url: `${LINKS}/remove`,
    payload: { phone: PHONE },
    claims: ADMIN,
  },
  "GET /v1/ussd/admin/users/:user/links": {
    url: `/v1/ussd/admin/users/${person.sub}/links`,
    claims: ADMIN,
  },
  "POST /v1/ussd/sim-changes": {
    url: "/v1/ussd/sim-changes",
    payload: { phone: PHONE },
    claims: { ...ADMIN, scope: "events:write" },
  },
  "PUT /v1/ussd/admin/service-codes": {
    url: "/v1/ussd/admin/service-codes",
    payload: { ...CODE, service_code: "*132#" },
    claims: PLATFORM,
  },
  "POST /v1/ussd/admin/service-codes/remove": {
    url: "/v1/ussd/admin/service-codes/remove",
    payload: CODE,
    claims: PLATFORM,
  },
};

let tables: GeoTables;
let names: readonly string[];
beforeAll(async () => {
  tables = await geoTables();
  const found = await tables.rows<{ name: string }>(
    `select tablename as name from pg_tables
      where schemaname = current_schema() and (tablename ~ '^(molam_|ussd_)' or tablename = 'outbox')
      order by 1`,
  );
  names = found.map(({ name }) => name);
});
afterAll(() => tables.close());
beforeEach(async () => {
  const emptied = names.filter((name) => name !== "molam_country_matrix");
  await tables.owner.query(`truncate ${emptied.join(", ")} cascade`);
  const owner = { tenantId: TENANT, userId: person.sub };
  await optIn(tables, owner);
  await tables.geo.inTenant(TENANT, async (tx) => {
    const link = { person: owner, phone: PHONE, country: "SN", language: null };
    await createLinkBook(testKeys, () => NOW_MS).put(tx, link);
    const { tenant_id: tenantId, service_code: serviceCode, country } = CODE;
    await putServiceCode(tx, { tenantId, serviceCode, country, supportPhone: null });
  });
});

/** Every row of geo's tables, as text. */
async function traces(): Promise<Readonly<Record<string, readonly string[]>>> {
  const found: Record<string, readonly string[]> = {};
  for (const name of names) {
    const rows = await tables.rows<{ row: string }>(`select t::text as row from ${name} t`);
    found[name] = rows.map(({ row }) => row).sort();
  }
  return found;
}

const geoWith = (audit = memoryAudit(() => NOW_MS)) =>
  testGeo({ audit, database: tables.geo, countryStore: postgresCountries(tables.geo) });

/** A country is changed by whoever has read it. */
async function countryCall(service: ReturnType<typeof geoWith>, { url, claims }: Call) {
  const headers = await bearer(claims);
  const read = await service.app.inject({ method: "GET", url: url as string, headers });
  const { code: _, ...country } = read.json().country;
  return { payload: { ...country, active: !country.active }, etag: String(read.headers.etag) };
}

async function ask(service: ReturnType<typeof geoWith>, route: string, call: Call) {
  const isCountry = route.includes("countries");
  const country = isCountry ? await countryCall(service, call) : null;
  const payload = country?.payload ?? call.payload;
  const headers = {
    ...(await bearer(call.claims)),
    ...(country !== null && { "if-match": country.etag }),
  };
  const method = route.split(" ", 1)[0] as "GET";
  return service.app.inject({ method, url: call.url ?? "", headers, ...(payload && { payload }) });
}

async function recordingRoutes(): Promise<readonly string[]> {
  const { app } = testGeo();
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  await app.ready();
  return routes
    .filter(({ config, method }) => config?.audit?.kind === "before_answer" && method !== "HEAD")
    .map(({ method, url }) => `${method} ${url}`);
}

describe("AUD-06", () => {
  test("every route that has its record first is tried here", async () => {
    assert.deepEqual(Object.keys(calls).sort(), [...(await recordingRoutes())].sort());
  });

  test.each(Object.entries(calls))("%s: audit away, no answer and no deed", async (route, call) => {
    let tries = 0;
    const away = {
      ...memoryAudit(),
      record() {
        tries += 1;
        return Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" }));
      },
    };
    const before = await traces();
    const response = await ask(geoWith(away), route, call);
    assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED", response.body);
    assert.equal(response.statusCode, 503);
    assert.ok(tries > 0);
    assert.deepEqual(await traces(), before);
  });

  test.each(Object.entries(calls))("%s: audit there, one record", async (route, call) => {
    const audit = memoryAudit(() => NOW_MS);
    const before = await traces();
    const response = await ask(geoWith(audit), route, call);
    assert.equal(response.statusCode, 200, response.body);
    assert.equal(audit.entries.length, 1);
    // What is only looked at changes nothing.
    if (!route.startsWith("GET")) assert.notDeepEqual(await traces(), before);
  });
});
