import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { defaultPolicy, policySchema } from "@vigie/core/policy";
import type { SessionPolicy } from "@vigie/schemas/types";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import { describe, expect, test } from "vitest";
import { bearer, NOW_MS, person, type TestEdge, testEdge } from "../test-edge.ts";
import { memoryPolicies } from "./memory-policies.ts";
import type { PolicyStore } from "./policy-store.ts";

const URL = "/api/id/admin/sessions/policies";
const ADMIN = { sub: "admin-1", sid: "s-9", user_type: "INTERNAL", scope: "id:admin" } as const;
const PLATFORM = { ...ADMIN, sub: "root", scope: "id:admin platform:admin" } as const;
const TENANT = "molam-sn";

type Claims = Readonly<Record<string, unknown>>;

async function get({ app }: TestEdge, claims: Claims = ADMIN, query = "") {
  return app.inject({ method: "GET", url: URL + query, headers: await bearer(claims) });
}

interface Put {
  readonly document: unknown;
  readonly ifMatch?: string | null;
  readonly claims?: Claims;
  readonly query?: string;
}

async function put(
  { app }: TestEdge,
  { document, ifMatch = '"0"', claims = ADMIN, query = "" }: Put,
) {
  const headers = {
    ...(await bearer(claims)),
    "content-type": "application/json",
    ...(ifMatch !== null && { "if-match": ifMatch }),
  };
  const payload = JSON.stringify(document);
  return app.inject({ method: "PUT", url: URL + query, headers, payload });
}

function publishedOf({ policyStore, codecs }: TestEdge): SessionPolicy[] {
  const decoder = codecs.decoder<SessionPolicy>("id.session.policy");
  return policyStore.published.map(({ value }) => {
    const outcome = decoder.decode(value);
    assert.ok(outcome.kind === "ok");
    return outcome.value;
  });
}

describe("POL-01: GET", () => {
  test("a tenant without a document has the built-in one, of version 0", async () => {
    const response = await get(testEdge());
    expect(response.statusCode).toBe(200);
    expect(response.headers.etag).toBe('"0"');
    expect(response.headers["cache-control"]).toBe("no-store");
    expect(response.json()).toEqual({
      tenant_id: TENANT,
      version: 0,
      default_version: 0,
      updated_at: null,
      updated_by: null,
      document: {},
      effective: JSON.parse(JSON.stringify(defaultPolicy)),
    });
  });

  test("own over the default of all over the built-in one", async () => {
    const edge = testEdge();
    const common = { idle_timeout: { minutes: 20 }, max_failed_mfa_hour: { count: 4 } };
    await put(edge, { document: common, claims: PLATFORM, query: "?tenant=*" });
    await put(edge, { document: { idle_timeout: { minutes: 10 } } });
    const { document, effective, version, default_version, updated_by } = (await get(edge)).json();
    expect(document).toEqual({ idle_timeout: { minutes: 10 } });
    expect(effective.idle_timeout).toEqual({ minutes: 10 });
    expect(effective.max_failed_mfa_hour).toEqual({ count: 4 });
    expect(effective.absolute_timeout).toEqual({ hours: 720 });
    expect([version, default_version, updated_by]).toEqual([1, 1, "admin-1"]);
  });

  test("its JSON Schema is served as it is published", async () => {
    const { app } = testEdge();
    const response = await app.inject({ url: `${URL}/schema`, headers: await bearer(ADMIN) });
    expect(response.headers["content-type"]).toMatch(/^application\/schema\+json/);
    expect(response.json()).toEqual(JSON.parse(JSON.stringify(policySchema())));
  });
});

describe("POL-02: PUT", () => {
  test("AUD-12: what is published names the administrator behind who changed it", async () => {
    const edge = testEdge();
    const claims = { ...ADMIN, act: { sub: "admin-9" } };
    await put(edge, { document: { idle_timeout: { minutes: 10 } }, claims });
    expect(publishedOf(edge)[0]?.actor).toEqual({
      type: "ADMIN",
      id: "admin-1",
      impersonator_id: "admin-9",
    });
  });

  test("changes, answers what is in force, publishes, and puts before and after on record", async () => {
    const edge = testEdge();
    const first = { idle_timeout: { minutes: 10 } };
    const response = await put(edge, { document: first });
    expect(response.statusCode).toBe(200);
    expect(response.headers.etag).toBe('"1"');
    expect(response.json()).toMatchObject({
      tenant_id: TENANT,
      version: 1,
      updated_at: new Date(NOW_MS).toISOString(),
      updated_by: "admin-1",
      document: first,
      effective: { idle_timeout: { minutes: 10 } },
    });
    const second = { vpn_action: { action: "step_up" } };
    const next = await put(edge, { document: second, ifMatch: '"1"' });
    expect(next.json().effective.rules).toEqual({ vpn_detected: { action: "STEP_UP" } });
    expect(next.json().effective.idle_timeout).toEqual({ minutes: 30 });
    expect(publishedOf(edge)).toEqual(
      [first, second].map((document, i) => ({
        tenant_id: TENANT,
        version: i + 1,
        updated_at: NOW_MS,
        actor: { type: "ADMIN", id: "admin-1", impersonator_id: null },
        document: JSON.stringify(document),
      })),
    );
    expect(edge.policyStore.published.map(({ key }) => key)).toEqual([TENANT, TENANT]);
    const told = edge.audit.entries.map(({ action, payload }) => ({ action, payload }));
    expect(told).toEqual([
      {
        action: "policy.updated",
        payload: { tenant: TENANT, version: 1, before: {}, after: first },
      },
      {
        action: "policy.updated",
        payload: { tenant: TENANT, version: 2, before: first, after: second },
      },
    ]);
  });

  test("428 without If-Match, and nothing happens", async () => {
    const edge = testEdge();
    const response = await put(edge, { document: {}, ifMatch: null });
    expect(response.statusCode).toBe(428);
    expect(response.json().code).toBe("VIG_IF_MATCH_MISSING");
    expect(edge.audit.entries).toEqual([]);
  });

  test.each(['"0"', '"7"', 'W/"1"', "*", "1", '"x"', '""'])(
    "412 with If-Match %s when version 1 is in force",
    async (ifMatch) => {
      const edge = testEdge();
      await put(edge, { document: {} });
      const response = await put(edge, { document: { idle_timeout: {} }, ifMatch });
      expect(response.statusCode).toBe(412);
      expect(response.json()).toMatchObject({ code: "VIG_VERSION_STALE" });
      expect(response.json().detail).toContain("version 1");
      expect(edge.policyStore.published).toHaveLength(1);
      expect(edge.audit.entries).toHaveLength(1);
    },
  );

  test("of many administrators at once one wins, the others learn of it", async () => {
    const edge = testEdge();
    const documents = Array.from({ length: 20 }, (_, i) => ({ idle_timeout: { minutes: i + 1 } }));
    const answers = await Promise.all(documents.map((document) => put(edge, { document })));
    const statuses = answers.map(({ statusCode }) => statusCode).sort();
    expect(statuses).toEqual([200, ...Array.from({ length: 19 }, () => 412)]);
    expect(edge.audit.entries).toHaveLength(1);
  });
});

test("ANO-17: takes a candidate and shares, and publishes them as they are", async () => {
  const edge = testEdge();
  const document = {
    rules: { geo_block: { share: 5 } },
    candidate: { share: 10, document: { impossible_travel: { kmh_threshold: 700 } } },
  };
  const response = await put(edge, { document });
  expect(response.statusCode).toBe(200);
  expect(response.json()).toMatchObject({ document });
  expect(response.json().effective).not.toHaveProperty("candidate");
});

describe("POL-02: PUT refuses", () => {
  test("422 names every fault, also a name that nobody knows", async () => {
    const edge = testEdge();
    const document = {
      idle_timeout: { minutes: 0, minuets: 5 },
      impossible_travel: { kmh_threshold: 299 },
      blocked_countries: { countries: ["Senegal"] },
      colour: "red",
    };
    const response = await put(edge, { document });
    expect(response.statusCode).toBe(422);
    const problem = response.json();
    expect(problem.code).toBe("VIG_POLICY_INVALID");
    expect(problem.detail).toBe("5 faults; first: idle_timeout.minutes is not a number 1..1440");
    expect(problem.errors).toEqual([
      { path: "idle_timeout.minutes", why: "is not a number 1..1440" },
      { path: "idle_timeout.minuets", why: "is not a field that is known here" },
      { path: "impossible_travel.kmh_threshold", why: "is not a number 300..100000" },
      {
        path: "blocked_countries.countries",
        why: "is not a list of up to 250 different ISO 3166-1 alpha-2 codes",
      },
      { path: "colour", why: "is not a field that is known here" },
    ]);
    expect(edge.policyStore.published).toEqual([]);
  });

  test("ANO-17: 422 names what is wrong in a candidate, which holds no other one", async () => {
    const tried = { candidate: {}, impossible_travel: { kmh_threshold: 1 } };
    const document = { candidate: { share: 101, document: tried } };
    const problem = (await put(testEdge(), { document })).json();
    expect(problem.errors.map(({ path }: { path: string }) => path)).toEqual([
      "candidate.share",
      "candidate.document.candidate",
      "candidate.document.impossible_travel.kmh_threshold",
    ]);
  });

  test.each([[[]], ["text"], [null], [3]])("422 for %j", async (document) => {
    expect((await put(testEdge(), { document })).statusCode).toBe(422);
  });

  test("400 for a broken body, 413 for a long one, 415 for none of JSON", async () => {
    const { app } = testEdge();
    const call = async (payload: string, type = "application/json") => {
      const headers = { ...(await bearer(ADMIN)), "content-type": type, "if-match": '"0"' };
      return (await app.inject({ method: "PUT", url: URL, headers, payload })).statusCode;
    };
    expect(await call("{")).toBe(400);
    expect(await call('{"__proto__":{"idle_timeout":{"minutes":5}}}')).toBe(400);
    expect(await call(JSON.stringify({ note: "x".repeat(1_048_576) }))).toBe(413);
    expect(await call("{}", "text/plain")).toBe(415);
  });
});

describe("POL-06: a change and its record", () => {
  test("503 when the change cannot be put on record, and then it does not happen", async () => {
    const audit: AuditTrail = {
      record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" })),
      recordOwn: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" })),
      denied: () => {},
    };
    const edge = testEdge({ audit });
    const response = await put(edge, { document: { idle_timeout: { minutes: 5 } } });
    expect(response.statusCode).toBe(503);
    expect(response.json().code).toBe("VIG_AUDIT_WRITE_FAILED");
    expect((await get(edge)).json().version).toBe(0);
    expect(edge.policyStore.published).toEqual([]);
  });

  test("a change that fails after its record is put on record as undone", async () => {
    const memory = memoryPolicies();
    const policyStore: PolicyStore = {
      read: memory.read,
      async change(_change, beforeCommit) {
        await beforeCommit(null);
        throw new VigError("VIG_DATABASE_AWAY", { why: "planted" });
      },
    };
    const edge = testEdge({ policyStore });
    expect((await put(edge, { document: {} })).statusCode).toBe(503);
    expect(edge.audit.entries.map(({ action }) => action)).toEqual([
      "policy.updated",
      "policy.update_undone",
    ]);
  });

  test("503 while schemas are unknown, and on an edge without a database", async () => {
    const unready = await put(testEdge({ isReady: () => false }), { document: {} });
    expect([unready.statusCode, unready.json().code]).toEqual([503, "VIG_REGISTRY_AWAY"]);
    const bare = testEdge({ policyStore: null });
    for (const response of [await get(bare), await put(bare, { document: {} })]) {
      expect([response.statusCode, response.json().code]).toEqual([503, "VIG_DATABASE_UNSET"]);
    }
  });
});

const refusals: readonly (readonly [string, Claims | null, number, string])[] = [
  ["nobody without a token", null, 401, "VIG_TOKEN_MISSING"],
  ["no user", { ...person, scope: "" }, 403, "VIG_SCOPE_MISSING"],
  ["no service that writes events", {}, 403, "VIG_SCOPE_MISSING"],
  ["no subsidiary's service", { scope: "id:introspect" }, 403, "VIG_SCOPE_MISSING"],
  ["REV-06: no subsidiary's administrator", { ...ADMIN, org_id: "pay" }, 403, "VIG_ID_DOMAIN_ONLY"],
];
describe("who may", () => {
  test.each(refusals)("%s", async (_who, claims, status, code) => {
    for (const [method, url] of [
      ["GET", URL],
      ["GET", `${URL}/schema`],
      ["PUT", URL],
    ] as const) {
      const edge = testEdge();
      const headers = { ...(claims === null ? {} : await bearer(claims)), "if-match": '"0"' };
      const response = await edge.app.inject({
        method,
        url,
        headers,
        ...(method === "PUT" && { payload: {} }),
      });
      expect([response.statusCode, response.json().code]).toEqual([status, code]);
      expect(edge.policyStore.published).toEqual([]);
      expect(edge.audit.refusals).toHaveLength(claims === null ? 0 : 1);
    }
  });

  test.each([
    ["an administrator", ADMIN],
    ["an administrator of the ID domain", { ...ADMIN, org_id: "id" }],
    ["CNF-31: a super-admin", { ...ADMIN, scope: "", roles: ["super-admin"] }],
    ["a service of administrators", { sub: "console", scope: "id:admin" }],
  ])("%s", async (_who, claims) => {
    const edge = testEdge();
    expect((await get(edge, claims)).statusCode).toBe(200);
    expect((await put(edge, { document: {}, claims })).statusCode).toBe(200);
  });

  test("TEN-01: another tenant does not exist for a tenant's administrator, the default is not theirs", async () => {
    const edge = testEdge();
    for (const [query, status] of [
      ["?tenant=molam-ci", 404],
      ["?tenant=*", 403],
    ] as const) {
      expect((await get(edge, ADMIN, query)).statusCode).toBe(status);
      expect((await put(edge, { document: {}, query })).statusCode).toBe(status);
    }
    expect(edge.audit.refusals).toHaveLength(4);
    expect(edge.policyStore.published).toEqual([]);
    expect((await get(edge, ADMIN, `?tenant=${TENANT}`)).statusCode).toBe(200);
  });

  test("platform:admin alone is no administrator; with id:admin it reaches every tenant", async () => {
    const edge = testEdge();
    const alone = { ...ADMIN, scope: "platform:admin" };
    expect((await get(edge, alone, "?tenant=*")).statusCode).toBe(403);
    for (const tenant of ["*", "molam-ci"]) {
      const query = `?tenant=${tenant}`;
      const changed = await put(edge, { document: {}, claims: PLATFORM, query });
      expect(changed.statusCode).toBe(200);
      expect((await get(edge, PLATFORM, query)).json()).toMatchObject({
        tenant_id: tenant,
        version: 1,
      });
    }
    expect(edge.audit.entries.map(({ payload }) => payload.tenant)).toEqual(["*", "molam-ci"]);
  });

  test.each(["?tenant=", "?tenant=a|b", "?tenant=%00", "?tenat=*", "?tenant=a&tenant=*"])(
    "400 for %s",
    async (query) => {
      const response = await get(testEdge(), PLATFORM, query);
      expect([response.statusCode, response.json().code]).toEqual([400, "VIG_QUERY_INVALID"]);
    },
  );

  test("an X-Tenant-ID that disagrees is refused", async () => {
    const { app } = testEdge();
    const headers = { ...(await bearer(ADMIN)), "x-tenant-id": "molam-ci" };
    expect((await app.inject({ url: URL, headers })).statusCode).toBe(403);
  });
});
