import assert from "node:assert/strict";
import { bearer, NOW_MS } from "@vigie/service-kit/testing/issuer";
import { afterAll, beforeAll, test } from "vitest";
import type { Person } from "#person";
import { testGeo, testKeys } from "../test-geo.ts";
import { type GeoTables, geoTables, optIn } from "../test-tables.ts";
import { createGpsVault } from "./vault.ts";

const AWA: Person = { tenantId: "molam-sn", userId: "awa" };
const URL = "/v1/geo/positions";

let tables: GeoTables;
beforeAll(async () => {
  tables = await geoTables();
  await optIn(tables, AWA);
  const vault = createGpsVault(testKeys, () => NOW_MS);
  const position = { lat: 14.6928, lon: -17.4467, accuracyM: null, capturedAtMs: NOW_MS };
  await tables.geo.inTenant(AWA.tenantId, (tx) => vault.put(tx, AWA, position));
});
afterAll(() => tables.close());

async function get(claims: object) {
  const { app } = testGeo({ database: tables.geo });
  const headers = await bearer({ scope: "", user_type: "EXTERNAL", ...claims });
  return app.inject({ method: "GET", url: URL, headers });
}

test("GEO-09: a person sees what is kept of their positions, and until when; it is kept by nobody on the way", async () => {
  const response = await get({ sub: AWA.userId, tenant_id: AWA.tenantId });
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(response.headers["cache-control"], "no-store");
  assert.deepEqual(response.json(), {
    positions: [
      {
        latitude: 14.6928,
        longitude: -17.4467,
        accuracy: null,
        capturedAt: new Date(NOW_MS).toISOString(),
        goneBy: new Date(NOW_MS + 86_400_000).toISOString(),
      },
    ],
  });
});

test.each([
  ["another person", { sub: "modou", tenant_id: AWA.tenantId }],
  ["the same name in another tenant", { sub: AWA.userId, tenant_id: "molam-ci" }],
])("TEN-02: %s sees none of them", async (_who, claims) => {
  assert.deepEqual((await get(claims)).json(), { positions: [] });
});

test("a service sees nobody's", async () => {
  const response = await get({ user_type: undefined, scope: "events:write", sub: "gateway" });
  assert.equal(response.statusCode, 403, response.body);
});
