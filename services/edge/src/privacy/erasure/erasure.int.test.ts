import assert from "node:assert/strict";
import { DAY_MS } from "@vigie/core/time";
import type { SubjectErasure } from "@vigie/schemas/types";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { addPerson, outboxOf, type TestTables, testTables } from "../../inventory/test-tables.ts";
import { bearer, NOW_MS, testEdge } from "../../test-edge.ts";
import { expectedParts } from "./parts.ts";
import { tellDoneJob } from "./tell-done.ts";

const OWN = "/api/id/sessions/me/erase";
const ME = { sub: "usr_1", sid: "s-1", user_type: "EXTERNAL", scope: "" };
const ADMIN = { sub: "adm_1", user_type: "INTERNAL", scope: "id:admin" };
const OTHER_TENANT = { ...ADMIN, tenant_id: "molam-ci" };
const theirs = (user: string) => `/api/id/admin/users/${user}/erase`;

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  await tables.clear();
  await tables.owner.query(
    "truncate erasures, erasure_parts, erasures_untold, outbox, epoch_decisions",
  );
});

interface Call {
  readonly method?: "GET" | "POST";
  readonly claims?: Record<string, unknown>;
  readonly over?: Parameters<typeof testEdge>[0];
}

async function call(url: string, { method = "POST", claims = ME, over = {} }: Call = {}) {
  const edge = testEdge({ database: tables.edge, ...over });
  const response = await edge.app.inject({ method, url, headers: await bearer(claims) });
  return { response, audit: edge.audit };
}

async function published(): Promise<SubjectErasure[]> {
  const records = await outboxOf<SubjectErasure>(tables, "id.subject.erasure");
  return records.map(({ key, value }) => {
    assert.equal(key, `${value.tenant_id}|${value.user_id}`);
    return value;
  });
}

const tell = (part: string) =>
  tables.owner.query(
    "insert into erasure_parts (tenant_id, erasure_id, part) select tenant_id, erasure_id, $1 from erasures",
    [part],
  );

test("PRV-14: a person asks for their own erasure: on record, published once, and told how far it is", async () => {
  const { response, audit } = await call(OWN);
  assert.equal(response.statusCode, 202, response.body);
  assert.equal(response.headers.location, OWN);
  const answer = response.json();
  assert.equal(answer.status, "under_way");
  assert.equal(answer.requested_at, new Date(NOW_MS).toISOString());
  assert.deepEqual(await published(), [
    {
      erasure_id: answer.erasure_id,
      tenant_id: "molam-sn",
      user_id: "usr_1",
      requested_at: NOW_MS,
      actor: { type: "USER", id: "usr_1", impersonator_id: null },
    },
  ]);
  assert.partialDeepStrictEqual(audit.entries[0], {
    action: "privacy.erasure_requested",
    subjectUserId: "usr_1",
    payload: { erasure_id: answer.erasure_id },
  });
  const told = await call(OWN, { method: "GET" });
  assert.deepEqual(told.response.json(), answer);
});

test.each([
  ["the longest id", "u".repeat(128), undefined],
  ["one more", "u".repeat(129), "VIG_BODY_INVALID"],
  [
    "characters of two units each, which contracts count as two",
    "\u{1f600}".repeat(65),
    "VIG_BODY_INVALID",
  ],
])("an administrator asks for %s", async (_what, user, code) => {
  const { response } = await call(theirs(encodeURIComponent(user)), { claims: ADMIN });
  assert.equal(response.json().code, code, response.body);
  assert.equal((await published()).length, code === undefined ? 1 : 0);
});

test("the same again, also at the same time, is the same erasure; once it is done a new one begins", async () => {
  const all = await Promise.all([call(OWN), call(OWN), call(OWN)]);
  const ids = new Set(all.map(({ response }) => response.json().erasure_id));
  assert.equal(ids.size, 1);
  assert.equal((await published()).length, 1);
  for (const part of expectedParts.filter((name) => name !== "edge")) await tell(part);
  const done = (await call(OWN, { method: "GET" })).response.json();
  assert.equal(done.status, "done");
  assert.ok(done.parts.every(({ done_at }: { done_at: string | null }) => done_at !== null));
  const next = (await call(OWN)).response.json();
  assert.ok(!ids.has(next.erasure_id));
  assert.equal((await published()).length, 2);
});

test("PRV-14: the end of an erasure is put on record once, when every part has told so, and names nobody", async () => {
  const { audit } = testEdge();
  const job = tellDoneJob({ database: tables.edge, audit, isReady: () => true });
  const { erasure_id } = (await call(OWN)).response.json();
  await job.run();
  assert.equal(audit.own.length, 0);
  for (const part of expectedParts.filter((name) => name !== "edge")) await tell(part);
  await Promise.all([job.run(), job.run(), job.run()]);
  await job.run();
  const [record, ...others] = audit.own;
  assert.deepEqual(others, []);
  assert.partialDeepStrictEqual(record, {
    action: "privacy.erasure_done",
    tenantId: "molam-sn",
    payload: { erasure_id, requested_at: NOW_MS },
  });
  assert.deepEqual(Object.keys(record?.payload.parts as object).sort(), [...expectedParts].sort());
  assert.ok(!JSON.stringify(record).includes("usr_1"));
});

test("an end that cannot be put on record is told by the next look", async () => {
  const away = { recordOwn: () => Promise.reject(new Error("away")) };
  await call(OWN);
  for (const part of expectedParts.filter((name) => name !== "edge")) await tell(part);
  const isReady = () => true;
  await assert.rejects(async () =>
    tellDoneJob({ database: tables.edge, audit: away, isReady }).run(),
  );
  const { audit } = testEdge();
  await tellDoneJob({ database: tables.edge, audit, isReady }).run();
  assert.equal(audit.own.length, 1);
});

test("a second request is on record with the erasure that it joins", async () => {
  const first = await call(OWN);
  const second = await call(OWN);
  const { erasure_id } = first.response.json();
  assert.deepEqual(
    second.audit.entries.map(({ payload }) => payload),
    [{ erasure_id }],
  );
});

test("an administrator asks for a user by either id, and follows it by its id", async () => {
  await addPerson(tables, "molam-sn", "usr_1");
  const uuid = uuidOf("molam-sn", "user", "usr_1");
  const first = (await call(theirs(uuid), { claims: ADMIN })).response;
  assert.equal(first.statusCode, 202, first.body);
  const id = first.json().erasure_id;
  assert.equal(first.headers.location, `/api/id/erasures/${id}`);
  const again = (await call(theirs("usr_1"), { claims: ADMIN })).response.json();
  assert.equal(again.erasure_id, id);
  const [record] = await published();
  assert.deepEqual(
    [record?.user_id, record?.actor],
    ["usr_1", { type: "ADMIN", id: "adm_1", impersonator_id: null }],
  );
  const url = `/api/id/erasures/${id}`;
  const told = (await call(url, { method: "GET", claims: ADMIN })).response;
  assert.equal(told.json().erasure_id, id);
  const foreign = (await call(url, { method: "GET", claims: OTHER_TENANT })).response;
  assert.equal(foreign.statusCode, 404, "TEN-05: another tenant's erasure is not there");
});

test("what goes by itself is told with its end, and what stays without one", async () => {
  const { retained, clear_at } = (await call(OWN)).response.json();
  const until = (name: string): string | null =>
    retained.find(({ where }: { where: string[] }) => where.includes(name)).until;
  const after = (days: number): string => new Date(NOW_MS + days * DAY_MS).toISOString();
  assert.equal(until("id.login"), after(8));
  assert.equal(until("id.session.state"), after(3));
  assert.equal(until("id.geo.prefs"), after(3));
  assert.equal(until("vigie.detector.changelog"), after(3));
  assert.equal(until("id.session.anomaly"), after(31));
  assert.equal(until("id.session.revoked"), after(32));
  assert.equal(until("audit"), null);
  assert.equal(clear_at, after(32));
});

test.each([
  ["a service", "POST", OWN, { sub: "gateway", scope: "events:write" }, 403, "VIG_PERSON_ONLY"],
  ["a person", "POST", theirs("usr_2"), ME, 403, "VIG_SCOPE_MISSING"],
  [
    "another domain",
    "POST",
    theirs("usr_2"),
    { ...ADMIN, org_id: "pay" },
    403,
    "VIG_ID_DOMAIN_ONLY",
  ],
  ["a person", "GET", "/api/id/erasures/x-1", ME, 403, "VIG_SCOPE_MISSING"],
  ["a user id that is none", "POST", theirs("a%7Cb"), ADMIN, 400, "VIG_BODY_INVALID"],
  ["whoever asked for none", "GET", OWN, ME, 404, "VIG_NOT_FOUND"],
  ["an unknown id", "GET", "/api/id/erasures/x-1", ADMIN, 404, "VIG_NOT_FOUND"],
] as const)("refused: %s %s %s", async (_who, method, url, claims, status, code) => {
  const { response } = await call(url, { method, claims });
  assert.equal(response.statusCode, status, response.body);
  assert.equal(response.json().code, code);
  assert.deepEqual(await published(), []);
});

test("a session that has ended asks for nothing any more, but is told how far it is", async () => {
  await call(OWN);
  const view = { ...memoryView(), resolve: async () => ({ kind: "ended", status: "REVOKED" }) };
  const over = { view: view as never };
  assert.equal((await call(OWN, { over })).response.statusCode, 401);
  assert.equal((await call(OWN, { method: "GET", over })).response.statusCode, 200);
});

test("without a record in the audit nothing is asked for", async () => {
  const failing = { ...testEdge().audit, record: () => Promise.reject(new Error("away")) };
  const { response } = await call(OWN, { over: { audit: failing } });
  assert.equal(response.statusCode, 500);
  assert.deepEqual(await published(), []);
});

test("where the person decided over others the name goes with the request, in their tenant alone", async () => {
  for (const tenant of ["molam-sn", "molam-ci"]) {
    await tables.insert("epoch_decisions", [
      {
        tenant_id: tenantUuid(tenant),
        epoch_id: "e-1",
        tenant_key: tenant,
        scope: "TENANT",
        value: "",
        not_before_ms: 1,
        reason: "breach",
        actor_type: "ADMIN",
        actor_id: "usr_1",
        decided_at: "2026-01-05T00:00:00Z",
      },
    ]);
  }
  await call(OWN);
  const { rows } = await tables.owner.query<{ actor_id: string }>(
    "select actor_id from epoch_decisions order by tenant_key",
  );
  assert.deepEqual(
    rows.map(({ actor_id }) => actor_id),
    ["usr_1", "erased"],
  );
});
