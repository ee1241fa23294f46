import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { sampleLogin } from "@vigie/schemas/samples";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import { test } from "vitest";
import { bearer, person, testEdge } from "../test-edge.ts";

/** Who may call what. Without a database, 503 VIG_DATABASE_UNSET says that every guard let the call through. */

const OWN = [
  "/api/id/sessions/me",
  "/api/id/sessions/me/current",
  "/api/id/sessions/me/statistics",
  "/api/id/sessions/me/timeline",
  "/api/id/devices",
  "/api/v1/users/me/sessions",
  "/api/v1/users/me/sessions/current",
  "/api/v1/users/me/sessions/statistics",
] as const;
const ADMIN = [
  "/api/id/admin/sessions",
  "/api/id/admin/sessions/user/usr_1",
  "/api/id/admin/users/usr_1/anomalies",
  "/api/id/admin/users/usr_1/timeline",
];
const USAGE = "/api/id/admin/sessions/usage";

const everyAdminRoute = [...ADMIN, USAGE];
const all = [...OWN, ...everyAdminRoute];

type Overrides = Parameters<typeof testEdge>[0];

/** Building an edge takes far longer than asking it. */
const shared = testEdge();

async function get(url: string, claims: object, overrides?: Overrides) {
  const edge = overrides === undefined ? shared : testEdge(overrides);
  const response = await edge.app.inject({ url, headers: await bearer({ ...claims }) });
  return { edge, response, code: response.json().code as string };
}

const customer = { ...person, scope: "" };
const administrator = { sub: "adm_1", user_type: "INTERNAL", scope: "id:admin" };
const subsidiary = { ...administrator, org_id: "pay" };

test.each(all)("SEC-01: %s needs a token", async (url) => {
  const response = await shared.app.inject({ url });
  assert.equal(response.statusCode, 401);
  assert.equal(response.json().code, "VIG_TOKEN_MISSING");
});

test.each(OWN)("REV-15: %s is open to every person without a permission", async (url) => {
  assert.equal((await get(url, customer)).code, "VIG_DATABASE_UNSET");
});

test.each(OWN)("%s is of persons, not of services", async (url) => {
  assert.equal((await get(url, { scope: "id:admin" })).code, "VIG_PERSON_ONLY");
});

test.each(everyAdminRoute)("SEC-02: %s needs id:admin, and a refusal is kept", async (url) => {
  const before = shared.audit.refusals.length;
  const { response, code } = await get(url, customer);
  assert.equal(response.statusCode, 403);
  assert.equal(code, "VIG_SCOPE_MISSING");
  assert.equal(shared.audit.refusals.length, before + 1);
});

test.each(everyAdminRoute)("SUB-01: %s answers a subsidiary's administrator 403", async (url) => {
  const { refusals, entries } = shared.audit;
  const before = { refused: refusals.length, recorded: entries.length };
  const { response, code } = await get(url, subsidiary);
  assert.equal(response.statusCode, 403);
  assert.equal(code, "VIG_ID_DOMAIN_ONLY");
  assert.equal(refusals.length, before.refused + 1);
  assert.equal(entries.length, before.recorded);
});

test.each(everyAdminRoute)("CNF-31: %s is open to administrators of the ID domain", async (url) => {
  for (const claims of [
    administrator,
    { ...administrator, org_id: "id" },
    { ...administrator, scope: "", roles: ["super-admin"] },
  ]) {
    assert.equal((await get(url, claims)).code, "VIG_DATABASE_UNSET");
  }
});

test("every route is closed to a session that has ended", async () => {
  const view = memoryView(new Map([["s-1", { kind: "ended", status: "REVOKED" }]]));
  const { app } = testEdge({ view });
  const headers = await bearer({ ...administrator, sid: "s-1" });
  for (const url of all) {
    const response = await app.inject({ url, headers });
    assert.equal(response.json().code, "VIG_SESSION_ENDED", url);
  }
});

test.each(all)("TEN-01: %s refuses a tenant that is not the token's", async (url) => {
  const headers = { ...(await bearer(administrator)), "x-tenant-id": "molam-ci" };
  const response = await shared.app.inject({ url, headers });
  assert.equal(response.json().code, "VIG_TENANT_MISMATCH");
});

test.each(ADMIN)("%s is put on record before it is answered", async (url) => {
  const before = shared.audit.entries.length;
  await get(url, administrator);
  assert.equal(shared.audit.entries.length, before + 1);
  assert.equal(shared.audit.entries.at(-1)?.caller.tenantId, sampleLogin.tenant_id);
});

test("what cannot be put on record is not answered; usage names nobody and need not be", async () => {
  const audit = {
    ...memoryAudit(),
    record: () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" })),
  };
  const { app } = testEdge({ audit });
  const headers = await bearer(administrator);
  const codeOf = async (url: string) => (await app.inject({ url, headers })).json().code;
  for (const url of ADMIN) assert.equal(await codeOf(url), "VIG_AUDIT_WRITE_FAILED", url);
  assert.equal(await codeOf(USAGE), "VIG_DATABASE_UNSET");
});

test.each([
  ["limit", "limit=0"],
  ["limit", "limit=201"],
  ["limit", "limit=1e9"],
  ["limit", "limit=1;drop table users"],
  ["limit", "limit=1&limit=2"],
  ["usr", "usr=usr_1"],
  ["channel", "channel=mobile' or '1'='1"],
  ["status", "status=ACTIVE'--"],
  ["status", "status=PENDING"],
  ["country", "country=sn"],
  ["country", "country=SN' or true--"],
  ["risk_min", "risk_min=-1"],
  ["risk_min", "risk_min=101"],
  ["risk_min", "risk_min=1 or 1=1"],
  ["created_from", "created_from=yesterday"],
  ["created_until", "created_until=2026-02-31T00:00:00Z"],
  ["active_from", "active_from=0000-01-01T00:00:00Z"],
  ["active_until", "active_until=2026-01-01T00:00:00Z' or '1'='1"],
  ["user", "user="],
  ["user", "user=a%00b"],
  ["user", `user=${"u".repeat(129)}`],
  ["device", "device=%0a"],
  ["organisation", "organisation=%00"],
  ["cursor", "cursor=abc"],
  ["cursor", "cursor="],
  ["cursor", `cursor=${"A".repeat(101)}`],
])("a search whose %s is wrong is refused by name: %s", async (path, query) => {
  const { response, code } = await get(
    `/api/id/admin/sessions?${query.replaceAll(" ", "%20")}`,
    administrator,
  );
  assert.equal(response.statusCode, 400, response.body);
  assert.equal(code, "VIG_QUERY_INVALID");
  assert.match(response.json().detail, new RegExp(`^${path}: `));
});

const ID = "6b1f5a0e-4c3d-5e8f-9a7b-2d4c6e8f0a1b";
const encoded = (text: string) => Buffer.from(text).toString("base64url");

test.each([
  encoded(`1.${ID}' or '1'='1`),
  encoded(`-1.${ID}`),
  encoded(`99999999999999.${ID}`),
  encoded(`1.${ID.toUpperCase()}`),
  encoded(`1e3.${ID}`),
  encoded("1."),
  `${encoded(`1.${ID}`)}!`,
  `${encoded(`1.${ID}`)}=`,
])("a cursor that is none of ours is refused: %s", async (cursor) => {
  for (const url of [OWN[0], OWN[3], OWN[4], OWN[5], ...ADMIN]) {
    const { response } = await get(`${url}?cursor=${encodeURIComponent(cursor)}`, {
      ...administrator,
      sid: "s-1",
    });
    assert.equal(response.json().code, "VIG_QUERY_INVALID", url);
  }
});

test("lists wait for the policies in force", async () => {
  const inTenant = async <T>(_tenant: string, work: (tx: never) => Promise<T>): Promise<T> =>
    work({ query: async () => ({ rows: [], count: 0 }) } as never);
  const database = { inTenant } as never;
  const policies = { ready: false, of: () => assert.fail("nobody asks") };
  const { code } = await get("/api/id/sessions/me", customer, { database, policies });
  assert.equal(code, "VIG_SESSION_STATE_UNKNOWN");
});

test("the description names every route with its query", async () => {
  const { paths } = (await shared.app.inject({ url: "/docs/json" })).json();
  for (const url of all) {
    const pattern = url.replace("usr_1", "{userId}");
    assert.ok(paths[pattern]?.get?.summary, pattern);
  }
});
