import assert from "node:assert/strict";
import { type AuditAction, auditActions } from "@vigie/schemas/audit-actions";
import { bearer, person } from "@vigie/service-kit/testing/issuer";
import type { RouteOptions } from "fastify";
import { describe, test } from "vitest";
import { testGeo } from "./test-geo.ts";

/** Every route of ours, with what it declares. */
async function routes(): Promise<readonly RouteOptions[]> {
  const { app } = testGeo();
  const found: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void found.push(route));
  await app.ready();
  return found.filter(({ config, method }) => config?.audit !== undefined && method !== "HEAD");
}

const named = ({ method, url }: RouteOptions): string => `${method} ${url}`;

/** Source: CNF-07. What tells of a person, or changes anything, is not among them. */
const PUBLIC = /^(GET \/v1\/geo\/(countries(\/:code)?|attribution)|POST \/v1\/geo\/detect)$/;
const WEBHOOK = /^POST \/v1\/ussd\/webhook/;

describe("what a route lets in", () => {
  test("CNF-07: without a token only what is public answers anything but 401", async () => {
    const { app } = testGeo();
    const closed = (await routes()).filter(
      (route) => !PUBLIC.test(named(route)) && !WEBHOOK.test(named(route)),
    );
    assert.ok(closed.length >= 6, closed.map(named).join());
    for (const { method, url } of closed) {
      const { statusCode } = await app.inject({ method: method as "GET", url });
      assert.equal(statusCode, 401, `${method} ${url}`);
    }
  });

  test("TEN-02: a tenant that is not the token's is refused", async () => {
    const { app } = testGeo();
    const headers = { ...(await bearer(person)), "x-tenant-id": "another" };
    const { statusCode } = await app.inject({ method: "GET", url: "/v1/geo/prefs", headers });
    assert.equal(statusCode, 403);
  });
});

test("every action of the audit that is geo's is declared by a route", async () => {
  const declared = (await routes()).flatMap(({ config }) => {
    const audit = config?.audit;
    return audit !== undefined && "actions" in audit ? audit.actions : [];
  });
  const missing = Object.entries(auditActions)
    .filter(([action, { by }]) => by === "geo" && !declared.includes(action as AuditAction))
    .map(([action]) => action);
  assert.deepEqual(missing, []);
});

test("AUD-01: every route of an administrator that changes something or names people has its record first", async () => {
  const free = (await routes())
    .filter(({ url }) => url.includes("/admin/"))
    .filter(({ config }) => config?.audit?.kind !== "before_answer")
    .map(named);
  // Whoever adds one here says why it names nobody.
  assert.deepEqual(free.sort(), [
    "GET /v1/geo/admin/countries/:code",
    "GET /v1/ussd/admin/service-codes",
  ]);
});

test("AUD-12: who acts as somebody else is on record before it is done, or it is not", async () => {
  const { app, audit } = testGeo();
  const headers = await bearer({ ...person, act: { sub: "admin-1" } });
  await app.inject({ method: "GET", url: "/v1/geo/prefs", headers });
  assert.partialDeepStrictEqual(audit.entries, [
    {
      action: "impersonation.acted",
      subjectUserId: person.sub,
      payload: { method: "GET", route: "/v1/geo/prefs" },
    },
  ]);
  const failing = { ...audit, record: () => Promise.reject(new Error("away")) };
  const answer = await testGeo({ audit: failing }).app.inject({
    method: "GET",
    url: "/v1/geo/prefs",
    headers,
  });
  assert.equal(answer.statusCode, 500);
});

describe("PRV-06, USS-02: whoever acts as somebody else gives no consent and sets no PIN for them", () => {
  const alone = [
    ["PUT", "/v1/geo/prefs", { payload: { gpsOptIn: true } }],
    ["DELETE", "/v1/geo/prefs", {}],
    ["POST", "/v1/geo/context", { payload: { latitude: 14.7, longitude: -17.4 } }],
    ["GET", "/v1/geo/positions", {}],
    ["PUT", "/v1/ussd/pin", { payload: { pin: "2580" } }],
    ["POST", "/v1/ussd/pin/reset-code", {}],
  ] as const;
  const byHeaders = { "x-impersonation-admin": "admin-1", "x-impersonation-target": person.sub };

  test.each(alone)("%s %s is the person's alone", async (method, url, body) => {
    const geo = testGeo({ trustedProxies: ["127.0.0.1"] });
    const own = await bearer(person);
    const acting = [
      await bearer({ ...person, act: { sub: "admin-1" } }),
      await bearer({ ...person, impersonator_id: "admin-1" }),
      { ...own, ...byHeaders, "x-forwarded-for": "192.0.2.7" },
    ];
    for (const headers of acting) {
      const response = await geo.app.inject({ method, url, headers, ...body });
      assert.deepEqual([response.statusCode, response.json().code], [403, "VIG_IMPERSONATED"]);
    }
    const owner = { tenantId: "molam-sn", userId: person.sub };
    assert.equal((await geo.book.read(owner)).prefs.gpsOptIn, false);
    // The refusals are on record, and no deed is.
    assert.equal(geo.audit.refusals.length, acting.length);
    assert.deepEqual(geo.audit.entries, []);
    const { statusCode } = await geo.app.inject({ method, url, headers: own, ...body });
    assert.notEqual(statusCode, 403, "the person themselves is let in");
  });

  test.each(["prefs", "context", "events"])("%s is read as them, on record", async (what) => {
    const { app, audit } = testGeo();
    const headers = await bearer({ ...person, act: { sub: "admin-1" } });
    const { statusCode } = await app.inject({ method: "GET", url: `/v1/geo/${what}`, headers });
    assert.notEqual(statusCode, 403);
    assert.equal(audit.entries[0]?.action, "impersonation.acted");
  });
});

test("SEC-12: each route is described, with its answers, problems and security", async () => {
  const { app } = testGeo();
  const { paths } = (await app.inject("/docs/json")).json();
  for (const route of await routes()) {
    const path = route.url.replaceAll(/:(\w+)/g, "{$1}");
    const described = paths[path]?.[String(route.method).toLowerCase()];
    assert.ok(described, named(route));
    assert.ok(described.summary, `${named(route)} has a summary`);
    const statuses = Object.keys(described.responses);
    assert.ok(
      statuses.some((status) => status.startsWith("2")) && statuses.includes("503"),
      `${named(route)} has ${statuses}`,
    );
    const isOpen = PUBLIC.test(named(route)) || WEBHOOK.test(named(route));
    assert.equal(described.security !== undefined, !isOpen, `${named(route)} says who may`);
  }
});
