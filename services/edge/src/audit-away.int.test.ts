import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { nameUuid, uuidOf } from "@vigie/service-kit/ids";
import type { RouteOptions } from "fastify";
import { afterAll, beforeAll, beforeEach, describe, test } from "vitest";
import { smallLog } from "./audit-api/test-log.ts";
import { type Call, call, TENANT, type TestStores, testStores } from "./commands/test-stores.ts";
import { anomalyRow, ids } from "./inventory/test-tables.ts";
import { postgresPolicies } from "./policies/policy-store.ts";
import { NOW_MS, testEdge } from "./test-edge.ts";

/** AUD-06 at every route that has its record first: with the audit away nothing is answered, and nothing is done. */

const REVOCATION = nameUuid(TENANT, "revocation", "r-1");
const AUDITOR = { sub: "aud-1", user_type: "INTERNAL", scope: "id:audit" };
const PERSON = { sub: "usr_1", sid: "s-1", user_type: "EXTERNAL", scope: "" };
const ACCOUNTS = { sub: "accounts", scope: "audit:write" };
const report = {
  action: "user.deleted",
  occurred_at: NOW_MS,
  actor: { type: "SYSTEM", id: "accounts" },
  subject_user_id: "usr_1",
};

/** A sound call of every such route, by its pattern. */
const calls: Readonly<Record<string, Call>> = {
  "PUT /api/id/admin/sessions/policies": {
    url: "/api/id/admin/sessions/policies",
    payload: { idle_timeout: { minutes: 5 } },
    headers: { "if-match": '"0"' },
  },
  "POST /api/id/admin/sessions/revoke": { payload: { filter: { user_id: "usr_1" } } },
  "POST /api/id/admin/anomalies/:id/label": {
    url: "/api/id/admin/anomalies/a-1/label",
    payload: { label: "true_positive" },
  },
  "POST /api/id/sessions/me/erase": { url: "/api/id/sessions/me/erase", claims: PERSON },
  "POST /api/id/admin/users/:userId/erase": { url: "/api/id/admin/users/usr_1/erase" },
  "GET /api/id/erasures/:id": { url: "/api/id/erasures/x-1" },
  "GET /api/id/sessions/me/export": { url: "/api/id/sessions/me/export", claims: PERSON },
  "GET /api/id/admin/sessions": { url: "/api/id/admin/sessions?user=usr_1" },
  "GET /api/id/admin/sessions/user/:userId": { url: "/api/id/admin/sessions/user/usr_1" },
  "GET /api/id/admin/users/:userId/anomalies": { url: "/api/id/admin/users/usr_1/anomalies" },
  "GET /api/id/admin/users/:userId/timeline": { url: "/api/id/admin/users/usr_1/timeline" },
  "GET /api/id/admin/revocations/:id": { url: "/api/id/admin/revocations/r-1" },
  "GET /api/id/admin/audit": { url: "/api/id/admin/audit", claims: AUDITOR },
  "GET /api/id/admin/audit/entries/:index": {
    url: "/api/id/admin/audit/entries/0",
    claims: AUDITOR,
  },
  "GET /api/id/admin/audit/export": { url: "/api/id/admin/audit/export", claims: AUDITOR },
  "POST /v1/audit/records": { url: "/v1/audit/records", payload: report, claims: ACCOUNTS },
};

/** What a deed would leave, in any of the stores. */
const TRACES = [
  "outbox",
  "session_policies",
  "session_anomaly_verdicts",
  "erasures",
  "erasure_parts",
  "erasures_untold",
  "epoch_decisions",
  "admin_calls",
] as const;

let tables: TestStores;
beforeAll(async () => {
  tables = await testStores();
});
afterAll(() => tables.close());
beforeEach(async () => {
  await tables.clear();
  await tables.owner.query(`truncate ${TRACES.join(", ")}`);
  await tables.addSessions();
  await tables.insert("session_anomalies", [anomalyRow("a-1")]);
  await tables.insert("session_revocations", [
    {
      id: REVOCATION,
      ...ids(TENANT, "usr_1"),
      session_id: uuidOf(TENANT, "session", "s-1"),
      revocation_id: "r-1",
      revoked_at: new Date(NOW_MS).toISOString(),
      reason: "admin",
      actor_type: "ADMIN",
      actor_id: "admin-1",
    },
  ]);
});

async function recordingRoutes(): Promise<readonly string[]> {
  const { app } = testEdge();
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  await app.ready();
  const own = routes.filter(({ config, method }) => {
    return config?.audit?.kind === "before_answer" && method !== "HEAD";
  });
  return own.map(({ method, url }) => `${method} ${url}`);
}

function edgeWith(audit = memoryAudit(() => NOW_MS)) {
  const policyStore = postgresPolicies(tables.edge);
  return tables.edgeOn({ audit, policyStore, auditLog: smallLog().inMemory() });
}

const methodOf = (route: string) => route.split(" ", 1)[0] as "GET";

describe("AUD-06", () => {
  test("every route that has its record first is tried here", async () => {
    assert.deepEqual(Object.keys(calls).sort(), [...(await recordingRoutes())].sort());
  });

  test.each(Object.entries(calls))(
    "%s: audit away, no answer and no deed",
    async (route, asked) => {
      let tries = 0;
      const away = {
        ...memoryAudit(),
        record() {
          tries += 1;
          return Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" }));
        },
      };
      const edge = edgeWith(away);
      const response = await call(edge, { method: methodOf(route), ...asked });
      assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED", response.body);
      assert.equal(response.statusCode, 503);
      assert.ok(tries > 0);
      assert.deepEqual([edge.commands, edge.memory.produced], [[], []]);
      for (const table of TRACES) {
        const { rows } = await tables.owner.query(`select * from ${table}`);
        assert.deepEqual(rows, [], `${table} is as it was`);
      }
    },
  );

  test.each(Object.entries(calls))("%s: audit there, one record", async (route, asked) => {
    const audit = memoryAudit(() => NOW_MS);
    const response = await call(edgeWith(audit), { method: methodOf(route), ...asked });
    // Of an erasure that is not there, too.
    assert.ok(response.statusCode < 300 || response.statusCode === 404, response.body);
    assert.equal(audit.entries.length, 1);
  });
});
