import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import { memoryAudit } from "@vigie/service-kit/audit-trail/memory-audit";
import { describe, test } from "vitest";
import { NOW_MS, person, post, testEdge } from "../test-edge.ts";

const URL = "/v1/audit/records";
const ACCOUNTS = { sub: "accounts", scope: "audit:write" };

const deactivated = {
  action: "user.deactivated",
  occurred_at: NOW_MS - 1_000,
  actor: { type: "ADMIN", id: "admin-1", ip: "203.0.113.7", user_agent: "console/1" },
  subject_user_id: "usr_1",
  details: { why: "asked for" },
};
const started = {
  action: "impersonation_start",
  occurred_at: NOW_MS,
  actor: { type: "ADMIN", id: "admin-1" },
  impersonator_id: "admin-1",
  subject_user_id: "usr_1",
  details: { reason: "a ticket of the support" },
};

const report = (edge: ReturnType<typeof testEdge>, body: object, claims: object = ACCOUNTS) =>
  post(edge, URL, body, { claims: { ...claims } });

test("AUD-07: what a service did to a user is on record as it tells, and that it told so", async () => {
  const edge = testEdge();
  const response = await report(edge, deactivated);
  assert.equal(response.statusCode, 200, response.body);
  assert.deepEqual(response.json(), { recorded_at: new Date(NOW_MS).toISOString() });
  assert.partialDeepStrictEqual(edge.audit.entries, [
    {
      action: "user.deactivated",
      subjectUserId: "usr_1",
      payload: {
        reported: { by: "accounts", client_id: "accounts" },
        details: { why: "asked for" },
      },
      reported: {
        actor: {
          type: "ADMIN",
          id: "admin-1",
          impersonator_id: null,
          ip: "203.0.113.7",
          user_agent: "console/1",
        },
        impersonatedId: null,
        occurredAtMs: NOW_MS - 1_000,
      },
    },
  ]);
});

test.each(["impersonation_start", "impersonation_stop", "impersonation_expired"])(
  "AUD-12, AUD-13: %s names who impersonates and whom",
  async (action) => {
    const edge = testEdge();
    const response = await report(edge, { ...started, action });
    assert.equal(response.statusCode, 200, response.body);
    assert.partialDeepStrictEqual(edge.audit.entries[0], {
      action,
      subjectUserId: "usr_1",
      reported: { actor: { impersonator_id: "admin-1" }, impersonatedId: "usr_1" },
    });
  },
);

test("AUD-12: what an application tells of somebody impersonated names both", async () => {
  const edge = testEdge();
  const changed = {
    action: "app.pay.limit_changed",
    occurred_at: NOW_MS,
    actor: { type: "USER", id: "usr_1" },
    impersonator_id: "admin-1",
  };
  assert.equal((await report(edge, changed)).statusCode, 200);
  assert.partialDeepStrictEqual(edge.audit.entries[0], {
    action: "app.pay.limit_changed",
    subjectUserId: null,
    reported: { actor: { id: "usr_1", impersonator_id: "admin-1" }, impersonatedId: "usr_1" },
  });
});

test("AUD-11: an actor without a user agent has it called unknown", async () => {
  const edge = testEdge();
  await report(edge, started);
  assert.equal(edge.audit.entries[0]?.reported?.actor.user_agent, "unknown");
});

const nested = (levels: number): unknown => JSON.parse("[".repeat(levels) + "]".repeat(levels));

describe("refused", () => {
  test.each([
    ["an action of Vigie's own", { ...deactivated, action: "session.revoked" }, "action"],
    ["an action that nobody knows", { ...deactivated, action: "user.promoted" }, "action"],
    ["a name that is none", { ...deactivated, action: "app.Pay" }, "action"],
    ["a deed to nobody", { ...deactivated, subject_user_id: undefined }, "subject_user_id"],
    ["an impersonation by nobody", { ...started, impersonator_id: undefined }, "impersonator_id"],
    ["IMP-07: a short reason", { ...started, details: { reason: "short  " } }, "details.reason"],
    ["a time ahead", { ...deactivated, occurred_at: NOW_MS + 300_001 }, "occurred_at"],
    ["a time long ago", { ...deactivated, occurred_at: NOW_MS - 30 * DAY_MS - 1 }, "occurred_at"],
    ["no address", { ...deactivated, actor: { type: "USER", id: "u", ip: "here" } }, "actor.ip"],
    ["details without a bottom", { ...deactivated, details: { a: nested(300) } }, "details"],
    ["a member that is not known", { ...deactivated, tenant_id: "other" }, "tenant_id"],
  ])("%s", async (_what, body, path) => {
    const edge = testEdge();
    const response = await report(edge, body);
    assert.equal(response.statusCode, 400, response.body);
    assert.match(response.body, new RegExp(path.replaceAll(".", "\\.")));
    assert.deepEqual(edge.audit.entries, []);
  });

  test.each([
    ["who may report events only", { sub: "gateway", scope: "events:write" }, "VIG_SCOPE_MISSING"],
    ["a person", { ...person, scope: "audit:write" }, "VIG_SERVICE_ONLY"],
  ])("%s, and that is on record", async (_who, claims, code) => {
    const edge = testEdge();
    const response = await report(edge, deactivated, claims);
    assert.equal(response.statusCode, 403);
    assert.equal(response.json().code, code);
    assert.deepEqual(
      edge.audit.refusals.map(({ payload }) => payload),
      [{ fault: code }],
    );
  });

  test("AUD-06: 503 while it cannot be put on record", async () => {
    const away = () => Promise.reject(new VigError("VIG_AUDIT_WRITE_FAILED", { why: "planted" }));
    const edge = testEdge({ audit: { ...memoryAudit(), record: away } });
    const response = await report(edge, deactivated);
    assert.equal(response.json().code, "VIG_AUDIT_WRITE_FAILED");
  });
});
