import assert from "node:assert/strict";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionEpoch } from "@vigie/schemas/types";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { outboxOf } from "../inventory/test-tables.ts";
import { createEpochBook } from "./epochs.ts";
import { ADMIN, call, TENANT, type TestStores, testStores } from "./test-stores.ts";

const PLATFORM = { ...ADMIN, scope: "id:admin platform:admin" };

let tables: TestStores;
beforeAll(async () => {
  tables = await testStores();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

/** Nobody tells of epochs here, unless a test does. */
const edgeOn: TestStores["edgeOn"] = (overrides) =>
  tables.edgeOn({ commandWaitMs: 20, ...overrides });

async function published(): Promise<SessionEpoch[]> {
  const records = await outboxOf<SessionEpoch>(tables, "id.session.epoch");
  return records.map(({ key, value: epoch }) => {
    assert.equal(key, `${epoch.tenant_id}|${epoch.scope}|${epoch.value ?? ""}`);
    return epoch;
  });
}

test.each([
  [{ org_id: "pay" }, "ORG", "pay"],
  [{ role: "teller" }, "ROLE", "teller"],
  [{ channel: "ussd" }, "CHANNEL", "USSD"],
  [{ tenant_id: TENANT }, "TENANT", null],
])(
  "%o is one record, from the broker's time of its audit record on",
  async (filter, scope, value) => {
    const audit = memoryAudit(() => 1_767_000_000_123);
    const edge = edgeOn({ audit });
    const response = await call(edge, { payload: { filter, reason: "breach" } });
    assert.equal(response.statusCode, 202, response.body);
    const { epoch_id, ...answer } = response.json();
    const not_before = "2025-12-29T09:20:00.123Z";
    assert.deepEqual(answer, { status: "pending", scope, value, not_before });
    assert.deepEqual(await published(), [
      {
        epoch_id,
        tenant_id: TENANT,
        scope,
        value,
        not_before: 1_767_000_000_123,
        reason: "breach",
        actor: { type: "ADMIN", id: "admin-1", impersonator_id: null },
      },
    ]);
    assert.deepEqual(edge.commands, []);
    expect(audit.entries).toMatchObject([{ payload: { acts_by: "epoch" } }]);
  },
);

test("an epoch is answered 200 once it lies on its topic", async () => {
  const edge = edgeOn({ commandWaitMs: 20_000 });
  const answer = call(edge, { payload: { filter: { org_id: "pay" } } });
  const epoch = await eventually(async () => {
    const [first] = await published();
    assert.ok(first);
    return first;
  });
  edge.outcomes.epochs.deliver(epoch.epoch_id, epoch);
  assert.equal((await answer).json().status, "done");
});

test("a repetition is answered 200 at an edge that never heard of the epoch, once it is published", async () => {
  const headers = { "idempotency-key": "k-1" };
  const payload = { filter: { org_id: "pay" } };
  const first = await call(edgeOn(), { payload, headers });
  assert.equal(first.statusCode, 202);
  assert.equal((await call(edgeOn(), { payload, headers })).statusCode, 202);
  // As the publisher leaves it.
  await tables.owner.query("delete from outbox");
  const again = await call(edgeOn(), { payload, headers });
  assert.equal(again.statusCode, 200);
  assert.deepEqual(again.json(), { ...first.json(), status: "done" });
});

test("a repetition of what a greater epoch covers is answered 200 only once that is published", async () => {
  const payload = { filter: { org_id: "pay" } };
  const early = edgeOn({ audit: memoryAudit(() => 1_767_000_000_000) });
  const repeated = () => call(early, { payload, headers: { "idempotency-key": "k-1" } });
  await repeated();
  await call(edgeOn({ audit: memoryAudit(() => 1_767_000_000_001) }), { payload });
  const again = () => call(edgeOn(), { payload, headers: { "idempotency-key": "k-1" } });
  assert.equal((await again()).json().status, "pending");
  await tables.owner.query("delete from outbox");
  assert.equal((await again()).json().status, "done");
});

test("REV-05: the same call 50 times at once is one record; at another edge none is added", async () => {
  const headers = { "idempotency-key": "k-1" };
  const payload = { filter: { tenant_id: TENANT } };
  const [one, other] = [edgeOn(), edgeOn()];
  const calls = Array.from({ length: 50 }, () => call(one, { payload, headers }));
  const answers = (await Promise.all(calls)).map(({ body }) => body);
  answers.push((await call(other, { payload, headers })).body);
  assert.equal(new Set(answers).size, 1);
  assert.equal((await published()).length, 1);
  assert.equal(one.audit.entries.length, 1);
  assert.equal(other.audit.entries.length, 0);
});

test("REV-05: the same call at two edges at once is one record in the audit", async () => {
  const headers = { "idempotency-key": "k-1" };
  const edges = [edgeOn(), edgeOn()];
  const payload = { filter: { role: "teller" } };
  const answers = await Promise.all(edges.map((edge) => call(edge, { payload, headers })));
  assert.equal(new Set(answers.map(({ body }) => body)).size, 1);
  assert.equal((await published()).length, 1);
  assert.equal(edges.flatMap(({ audit }) => audit.entries).length, 1);
});

test("the greatest of a scope is the last one on its topic, whatever the order", async () => {
  const encoder = memoryCodecs().encoder<SessionEpoch>("id.session.epoch");
  const book = createEpochBook(tables.edge, encoder);
  const decide = (epochId: string, notBeforeMs: number, value = "pay") =>
    book.decide({
      epochId,
      tenantId: TENANT,
      scope: "ORG",
      value,
      notBeforeMs,
      reason: "test",
      actor: { type: "ADMIN", id: "a", impersonator_id: null },
    });
  const times = [50, 10, 90, 20, 70, 90, 30];
  await Promise.all(times.map((ms, i) => decide(`e-${i}`, ms)));
  assert.equal((await decide("e-late", 80)).isGreatest, false);
  await decide("e-eats", 5, "eats");
  const records = await published();
  const pay = records.filter(({ value }) => value === "pay").map(({ not_before }) => not_before);
  assert.deepEqual(
    pay,
    [...pay].sort((a, b) => a - b),
  );
  assert.equal(pay.at(-1), 90);
  assert.deepEqual(await book.find(TENANT, "e-late"), {
    epochId: "e-late",
    notBeforeMs: 80,
    isGreatest: false,
  });
  assert.equal(await book.find("other", "e-late"), null);
});

test("administrators of the platform reach another tenant, in its name", async () => {
  const payload = { filter: { tenant_id: "other", org_id: "pay" } };
  const response = await call(edgeOn(), { payload, claims: PLATFORM });
  assert.equal(response.statusCode, 202, response.body);
  expect(await published()).toMatchObject([{ tenant_id: "other", scope: "ORG", value: "pay" }]);
});

test("a broker that does not tell its time is no ground for an epoch", async () => {
  const edge = edgeOn({ audit: memoryAudit(() => -1) });
  const response = await call(edge, { payload: { filter: { org_id: "pay" } } });
  assert.equal(response.json().code, "VIG_BROKER_AWAY");
  assert.deepEqual(await published(), []);
});
