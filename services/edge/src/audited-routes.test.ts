import assert from "node:assert/strict";
import type { AuditAction } from "@vigie/schemas/audit-actions";
import { auditActions } from "@vigie/schemas/audit-actions";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import type { RouteOptions } from "fastify";
import { describe, test } from "vitest";
import { bearer, person, post, testEdge } from "./test-edge.ts";

/** Every route of the edge, with what it declares. */
async function routesOfEdge(): Promise<readonly RouteOptions[]> {
  const { app } = testEdge();
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  await app.ready();
  return routes.filter(({ url, config }) => config?.audit !== undefined && !url.includes("*"));
}

const named = ({ method, url }: RouteOptions): string => `${method} ${url}`;

describe("what a route declares", () => {
  test("AUD-01: every route of an administrator that changes something or names people has its record first", async () => {
    const free = (await routesOfEdge())
      .filter(({ url }) => /\/admin\/|\/erasures\//.test(url))
      .filter(({ config }) => config?.audit?.kind !== "before_answer")
      .map(named);
    assert.deepEqual(
      free.filter((route) => !route.startsWith("HEAD")).sort(),
      [
        "GET /api/id/admin/audit/checkpoint",
        "GET /api/id/admin/audit/proofs/consistency",
        "GET /api/id/admin/audit/proofs/inclusion",
        "GET /api/id/admin/batches/:id",
        "GET /api/id/admin/revocations/latency",
        "GET /api/id/admin/sessions/policies",
        "GET /api/id/admin/sessions/policies/schema",
        "GET /api/id/admin/sessions/usage",
      ],
      "whoever adds one here says why it names nobody",
    );
  });

  test("every action that the edge is to write is declared by a route, or is its own", async () => {
    const declared = (await routesOfEdge()).flatMap(({ config }) => {
      const audit = config?.audit;
      return audit !== undefined && "actions" in audit ? audit.actions : [];
    });
    const own: readonly AuditAction[] = [
      "impersonation.acted",
      "access.denied",
      "privacy.erasure_done",
      "audit.series_opened",
      "audit.series_closed",
    ];
    const ofEdge = Object.entries(auditActions).filter(([, { by }]) => by === "edge");
    const missing = ofEdge
      .map(([action]) => action as AuditAction)
      .filter((action) => !declared.includes(action) && !own.includes(action));
    assert.deepEqual(missing, []);
  });
});

const OWN = "/api/id/sessions/me/statistics";
const asUser = { ...person, act: { sub: "admin-1" } };

describe("AUD-12: who acts as somebody else", () => {
  const acted = {
    action: "impersonation.acted",
    subjectUserId: person.sub,
    payload: { method: "GET", route: OWN },
  };

  test("is on record with what they call, before it is done", async () => {
    const edge = testEdge();
    const headers = await bearer(asUser);
    await edge.app.inject({ method: "GET", url: OWN, headers });
    assert.partialDeepStrictEqual(edge.audit.entries, [acted]);
    assert.equal(edge.audit.entries[0]?.caller.impersonatorId, "admin-1");
  });

  test("and cannot do it while that cannot be written", async () => {
    const away = memoryAudit();
    const failing = { ...away, record: () => Promise.reject(new Error("away")) };
    const edge = testEdge({ audit: failing });
    const response = await post(
      edge,
      "/api/id/sessions/heartbeat",
      { channel: "WEB" },
      {
        claims: { ...asUser, scope: "events:write" },
      },
    );
    assert.equal(response.statusCode, 500);
    assert.deepEqual(edge.output.produced, []);
  });

  test("a person who acts as themselves is not", async () => {
    const edge = testEdge();
    await edge.app.inject({ method: "GET", url: OWN, headers: await bearer({ ...person }) });
    assert.deepEqual(edge.audit.entries, []);
  });

  test("the same is said by the headers of a trusted proxy, and by nobody else's (IMP-06)", async () => {
    const said = {
      "x-impersonation-admin": "admin-1",
      "x-impersonation-target": person.sub,
      "x-forwarded-for": "203.0.113.7",
    };
    const headers = { ...(await bearer({ ...person })), ...said };
    for (const [trustedProxies, expected] of [
      [["127.0.0.1"], [acted]],
      [[], []],
    ] as const) {
      const edge = testEdge({ trustedProxies });
      await edge.app.inject({ method: "GET", url: OWN, headers });
      assert.equal(edge.audit.entries.length, expected.length);
      assert.partialDeepStrictEqual(edge.audit.entries, expected);
    }
  });

  test.each([
    ["half of them", person, { "x-impersonation-admin": "admin-1" }],
    ["another target", person, { "x-impersonation-admin": "a", "x-impersonation-target": "u-9" }],
    [
      "another administrator than the token's",
      asUser,
      { "x-impersonation-admin": "admin-2", "x-impersonation-target": person.sub },
    ],
  ])("headers that say %s are refused", async (_what, claims, said) => {
    const edge = testEdge({ trustedProxies: ["127.0.0.1"] });
    const forwarded = { ...said, "x-forwarded-for": "203.0.113.7" };
    const headers = { ...(await bearer(claims)), ...forwarded };
    const response = await edge.app.inject({ method: "GET", url: OWN, headers });
    assert.equal(response.json().code, "VIG_REQUEST_INVALID", response.body);
  });
});

describe("SUB-01: a refusal", () => {
  test.each([
    ["a wrong tenant in a header", OWN, { ...person }, { "x-tenant-id": "other" }],
    ["a missing scope", "/api/id/admin/sessions/usage", { ...person }, {}],
    ["another domain", "/api/id/admin/sessions/usage", { scope: "id:admin", org_id: "pay" }, {}],
  ])("for %s is on record once", async (_why, url, claims, more) => {
    const edge = testEdge();
    const headers = { ...(await bearer(claims)), ...more };
    const response = await edge.app.inject({ method: "GET", url, headers });
    assert.equal(response.statusCode, 403);
    assert.deepEqual(
      edge.audit.refusals.map(({ payload }) => payload),
      [{ fault: response.json().code }],
    );
  });

  test("of somebody who is known by no token is not: anybody could fill the log", async () => {
    const edge = testEdge();
    const response = await edge.app.inject({ method: "GET", url: OWN });
    assert.equal(response.statusCode, 401);
    assert.deepEqual(edge.audit.refusals, []);
  });
});
