import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import type { AnomalyLabel } from "@vigie/schemas/types";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import {
  addPerson,
  anomalyRow,
  outboxOf,
  type TestTables,
  testTables,
} from "../inventory/test-tables.ts";
import { bearer, NOW_MS, testEdge } from "../test-edge.ts";

const ADMIN = { sub: "adm_1", user_type: "INTERNAL", scope: "id:admin" };
const PERSON = { sub: "usr_1", sid: "s-1", user_type: "EXTERNAL", scope: "" };
const OTHER_TENANT = { ...ADMIN, tenant_id: "molam-ci" };

let tables: TestTables;
beforeAll(async () => {
  tables = await testTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  await tables.clear();
  await tables.owner.query("truncate outbox, erasures, erasure_parts");
  await addPerson(tables, "molam-sn", "usr_1");
  await addPerson(tables, "molam-ci", "usr_9");
  await tables.insert("session_anomalies", [anomalyRow("a-1"), anomalyRow("a-2")]);
});

interface Call {
  readonly anomaly?: string;
  readonly payload?: object;
  readonly claims?: Record<string, unknown>;
  readonly over?: Parameters<typeof testEdge>[0];
}

async function label({ anomaly = "a-1", payload, claims = ADMIN, over = {} }: Call = {}) {
  const edge = testEdge({ database: tables.edge, ...over });
  const response = await edge.app.inject({
    method: "POST",
    url: `/api/id/admin/anomalies/${anomaly}/label`,
    headers: await bearer(claims),
    payload: payload ?? { label: "false_positive" },
  });
  return { response, edge };
}

async function published(): Promise<AnomalyLabel[]> {
  const records = await outboxOf<AnomalyLabel>(tables, "id.anomaly.label");
  return records.map(({ key, value }) => {
    assert.equal(key, `${value.tenant_id}|${value.user_id}`);
    return value;
  });
}

interface Kept {
  readonly label: string;
  readonly note: string | null;
  readonly labelled_at: Date;
  readonly actor_id: string;
}

const kept = async (): Promise<readonly Kept[]> =>
  (
    await tables.owner.query<Kept>(
      "select label, note, labelled_at, actor_id from session_anomaly_verdicts order by labelled_at",
    )
  ).rows;

async function listed(): Promise<Record<string, unknown>[]> {
  const { app } = testEdge({ database: tables.edge });
  const headers = await bearer(ADMIN);
  const response = await app.inject({ url: "/api/id/admin/users/usr_1/anomalies", headers });
  assert.equal(response.statusCode, 200, response.body);
  return response.json().anomalies;
}

test("RMP-02: a verdict is kept, published under its person, listed and on record", async () => {
  const { response, edge } = await label({
    payload: { label: "false_positive", note: "she flew\nhome" },
  });
  assert.equal(response.statusCode, 200, response.body);
  const labelled_at = new Date(NOW_MS).toISOString();
  assert.deepEqual(response.json(), { anomaly_id: "a-1", label: "false_positive", labelled_at });
  assert.deepEqual(await published(), [
    {
      anomaly_id: "a-1",
      tenant_id: "molam-sn",
      user_id: "usr_1",
      label: "FALSE_POSITIVE",
      note: "she flew\nhome",
      labelled_at: NOW_MS,
      actor: { type: "ADMIN", id: "adm_1", impersonator_id: null },
    },
  ]);
  assert.partialDeepStrictEqual(await kept(), [{ note: "she flew\nhome", actor_id: "adm_1" }]);
  const anomalies = await listed();
  const byId = Object.fromEntries(anomalies.map((each) => [each.anomaly_id, each]));
  assert.partialDeepStrictEqual(byId, {
    "a-1": { label: "false_positive", labelled_at, mode: "ENFORCE", retracted_by: null },
    "a-2": { label: null, labelled_at: null },
  });
  const [entry] = edge.audit.entries;
  assert.equal(entry?.action, "anomaly.label_requested");
  assert.equal(entry?.subjectUserId, "usr_1");
  assert.deepEqual(entry?.payload, { anomaly_id: "a-1", label: "false_positive" });
  assert.ok(!edge.lines.join().includes("flew"), "no line of the log holds the note");
});

test("the newest verdict counts, all are kept, also those of one moment and of a clock behind", async () => {
  const words = ["true_positive", "false_positive"] as const;
  const at = (i: number) => ({ payload: { label: words[i % 2] as string } });
  await Promise.all(Array.from({ length: 8 }, (_, i) => label(at(i))));
  await label({ ...at(0), over: { clock: () => NOW_MS - 60_000 } });
  const rows = await kept();
  assert.equal(rows.length, 9);
  assert.equal(rows.at(-1)?.label, "TRUE_POSITIVE");
  const told = await published();
  assert.deepEqual(
    told.map(({ labelled_at }) => labelled_at),
    rows.map(({ labelled_at }) => labelled_at.getTime()),
    "the topic has them in the order of their times",
  );
  const [first] = (await listed()).filter(({ anomaly_id }) => anomaly_id === "a-1");
  assert.equal(first?.label, "true_positive");
});

test.each([
  ["an unknown anomaly", { anomaly: "a-9" }, 404, "VIG_NOT_FOUND"],
  ["TEN-01: another tenant's", { claims: OTHER_TENANT }, 404, "VIG_NOT_FOUND"],
  ["a person", { claims: PERSON }, 403, "VIG_SCOPE_MISSING"],
  ["a service", { claims: { scope: "events:write" } }, 403, "VIG_SCOPE_MISSING"],
  [
    "an introspecting subsidiary",
    { claims: { sub: "pay", scope: "id:introspect" } },
    403,
    "VIG_SCOPE_MISSING",
  ],
  ["another domain", { claims: { ...ADMIN, org_id: "pay" } }, 403, "VIG_ID_DOMAIN_ONLY"],
  ["no verdict", { payload: {} }, 400, "VIG_BODY_INVALID"],
  ["an unknown verdict", { payload: { label: "maybe" } }, 400, "VIG_BODY_INVALID"],
  ["a tenant in the body", { payload: { label: "true_positive", tenant_id: "x" } }, 400, ""],
  ["a long note", { payload: { label: "true_positive", note: "x".repeat(1_001) } }, 400, ""],
  ["a NUL in the note", { payload: { label: "true_positive", note: "a\u0000" } }, 400, ""],
  ["an edge without tables", { over: { database: null } }, 503, "VIG_DATABASE_UNSET"],
  ["schemas not known yet", { over: { isReady: () => false } }, 503, "VIG_REGISTRY_AWAY"],
])("refused: %s", async (_what, asked: Call, status, code) => {
  const { response } = await label(asked);
  assert.equal(response.statusCode, status, response.body);
  assert.equal(response.json().code, code || "VIG_BODY_INVALID");
  assert.deepEqual(await kept(), []);
  assert.deepEqual(await published(), []);
});

test("CNF-31: a super-admin of the same tenant may", async () => {
  const claims = { sub: "root", scope: "", roles: ["super-admin"] };
  assert.equal((await label({ claims })).response.statusCode, 200);
});

test("without its audit record no verdict is kept; without its topic record neither", async () => {
  const away = new VigError("VIG_AUDIT_WRITE_FAILED", { why: "away" });
  const audit = { ...memoryAudit(), record: () => Promise.reject(away) };
  const { response } = await label({ over: { audit } });
  assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED");
  await tables.owner.query("revoke insert on outbox from vigie_edge");
  const failed = await label();
  await tables.owner.query("grant insert on outbox to vigie_edge");
  assert.equal(failed.response.statusCode, 500);
  assert.deepEqual(await kept(), []);
});

test("PRV-14: verdicts go with their anomaly, and who judged is unnamed at their own erasure", async () => {
  await label({ claims: { ...ADMIN, sub: "adm_2" } });
  await label({ anomaly: "a-2" });
  const { app } = testEdge({ database: tables.edge });
  const erased = await app.inject({
    method: "POST",
    url: "/api/id/admin/users/adm_2/erase",
    headers: await bearer(ADMIN),
  });
  assert.equal(erased.statusCode, 202, erased.body);
  assert.deepEqual((await kept()).map(({ actor_id }) => actor_id).sort(), ["adm_1", "erased"]);
  // As retention and erasure in the sink do it.
  await tables.owner.transaction(async (tx) => {
    await tx.query("set local role vigie_session_sink");
    await tx.query("delete from session_anomalies where anomaly_id = 'a-1'");
  });
  assert.deepEqual(
    (await kept()).map(({ actor_id }) => actor_id),
    ["adm_1"],
  );
});
