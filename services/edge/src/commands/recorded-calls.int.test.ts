import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { NOW_MS } from "../test-edge.ts";
import { RecordedCalls } from "./recorded-calls.ts";
import { call, TENANT, type TestStores, testStores } from "./test-stores.ts";

let tables: TestStores;
beforeAll(async () => {
  tables = await testStores();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

const headers = { "idempotency-key": "k-1" };

test.each([
  ["one user", { user_id: "usr_1" }],
  ["a search", { country: "FR" }],
])("REV-05: %s, the same call at three edges at once: one audit record", async (_what, filter) => {
  await tables.addSessions();
  const edges = [tables.edgeOn(), tables.edgeOn(), tables.edgeOn()];
  const answers = await Promise.all(
    edges.map((edge) => call(edge, { payload: { filter }, headers })),
  );
  assert.ok(answers.every(({ statusCode }) => statusCode < 300));
  assert.equal(edges.flatMap(({ audit }) => audit.entries).length, 1);
  const other = await call(tables.edgeOn(), { payload: { filter, reason: "again" }, headers });
  assert.ok(other.statusCode < 300, "another content is another call");
});

test("AUD-07: what a service reports twice, at two edges, is on record once", async () => {
  const payload = {
    action: "user.deleted",
    occurred_at: NOW_MS,
    actor: { type: "SYSTEM", id: "accounts" },
    subject_user_id: "usr_1",
  };
  const claims = { sub: "accounts", scope: "audit:write" };
  const edges = [tables.edgeOn(), tables.edgeOn()];
  const url = "/v1/audit/records";
  const answers = await Promise.all(
    edges.map((edge) => call(edge, { url, payload, headers, claims })),
  );
  const [first] = answers;
  assert.ok(answers.every(({ statusCode, body }) => statusCode === 200 && body === first?.body));
  const records = () => edges.flatMap(({ audit }) => audit.entries);
  assert.equal(records().length, 1);
  assert.equal(records()[0]?.reported?.actor.user_agent, null);
  for (const edge of edges) await call(edge, { url, payload, claims });
  assert.equal(records().length, 3);
});

test("without a key each call is one of its own, and so is each tenant's and caller's", async () => {
  await tables.addSessions();
  const edge = tables.edgeOn();
  const payload = { filter: { user_id: "usr_1" } };
  await call(edge, { payload });
  await call(edge, { payload });
  await call(edge, { payload, headers });
  await call(edge, { payload, headers, claims: { sub: "admin-2", scope: "id:admin" } });
  assert.equal(edge.audit.entries.length, 4);
});

test("what failed to be recorded is recorded by the next; pages of a batch are calls of their own", async () => {
  const record = (name: string, at: () => Promise<number>) =>
    new RecordedCalls(tables.edge).once({ tenantId: TENANT, name }, at);
  const away = new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" });
  await assert.rejects(
    record("c-1|", () => Promise.reject(away)),
    away,
  );
  assert.equal(await record("c-1|", async () => 7), 7);
  assert.equal(await record("c-1|", async () => 8), 7);
  assert.equal(await record("c-1|page", async () => 9), 9);
});

test("what is older than a week is forgotten", async () => {
  const record = (name: string) =>
    new RecordedCalls(tables.edge).once({ tenantId: TENANT, name }, async () => 1);
  await record("old");
  await tables.owner.query("update admin_calls set noted_at = now() - interval '8 days'");
  await record("new");
  const { rows } = await tables.owner.query("select call from admin_calls");
  assert.deepEqual(rows, [{ call: "new" }]);
});

test("while PostgreSQL is away, or was lost at the end, a call is on record all the same, once", async () => {
  const away = new VigError("VIG_DATABASE_AWAY", { why: "gone" });
  let records = 0;
  const record = async () => {
    records += 1;
    return 5;
  };
  const wanted = { tenantId: TENANT, name: "c-1|" };
  const gone = { ...tables.edge, inTenant: () => Promise.reject(away) };
  assert.equal(await new RecordedCalls(gone).once(wanted, record), 5);
  const inTenant: typeof tables.edge.inTenant = async (tenantId, work) => {
    await tables.edge.inTenant(tenantId, work);
    throw away;
  };
  assert.equal(await new RecordedCalls({ ...tables.edge, inTenant }).once(wanted, record), 5);
  assert.equal(records, 2);
  assert.equal(await new RecordedCalls(null).once(wanted, record), 5);
});

test("however many calls wait for a broker that is away, reads have a connection, and all are recorded", async () => {
  const { promise: isBack, resolve: comeBack } = Promise.withResolvers<void>();
  const calls = new RecordedCalls(tables.edge);
  let records = 0;
  const all = Array.from({ length: 8 }, (_, i) =>
    calls.once({ tenantId: TENANT, name: `away-${i}` }, async () => {
      records += 1;
      await isBack;
      return i;
    }),
  );
  await eventually(() => assert.equal(records, 8));
  const { count } = await tables.edge.query("select 1");
  assert.equal(count, 1);
  comeBack();
  assert.deepEqual(await Promise.all(all), [0, 1, 2, 3, 4, 5, 6, 7]);
});
