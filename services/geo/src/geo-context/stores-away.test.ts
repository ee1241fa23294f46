import { silentLogger } from "@vigie/core/log";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { bearer, person } from "@vigie/service-kit/testing/issuer";
import { expect, test } from "vitest";
import { createGpsVault } from "#gps/vault";
import { databaseAway, redisAway, testGeo } from "#test-geo";
import { redisPersonCache } from "./person-cache.ts";
import type { Held } from "./place-book.ts";
import { postgresBook } from "./postgres-book.ts";

const key = { keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) };
const book = () =>
  postgresBook({
    database: databaseAway,
    cache: redisPersonCache<Held>(redisAway, silentLogger),
    vault: createGpsVault(derivedKeys([key], Date.now), Date.now),
  });

test.each([
  ["GET", "/v1/geo/prefs"],
  ["PUT", "/v1/geo/prefs"],
  ["GET", "/v1/geo/context"],
  ["POST", "/v1/geo/context"],
  ["GET", "/v1/geo/events"],
] as const)("%s %s is 503 with PostgreSQL away, with when to come again", async (method, url) => {
  const geo = testGeo({ book: book() });
  const payload = method === "PUT" ? { homeCountry: "SN" } : { mcc: 608 };
  const response = await geo.app.inject({
    method,
    url,
    headers: await bearer(person),
    ...(method !== "GET" && { payload }),
  });
  expect([response.statusCode, response.json().code]).toEqual([503, "VIG_DATABASE_AWAY"]);
  expect(Number(response.headers["retry-after"])).toBeGreaterThan(0);
  // What was not kept, nobody is told.
  expect(geo.output.produced).toEqual([]);
});
