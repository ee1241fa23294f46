import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer } from "@vigie/service-kit/sessions/view";
import { describe, test } from "vitest";
import { NOW_MS, testEdge } from "./test-edge.ts";
import { brokenTokens, issued, issuerAuth } from "./test-tokens.ts";

/** One route behind each guard. */
const guarded = {
  person: { method: "GET", url: "/api/v1/users/me/sessions" },
  admin: { method: "GET", url: "/api/id/admin/sessions/policies" },
  scoped: { method: "POST", url: "/oauth2/introspect" },
  ingest: { method: "POST", url: "/api/id/sessions/heartbeat" },
} as const;
type GuardName = keyof typeof guarded;
const names = Object.keys(guarded) as GuardName[];

const unsure = new VigError("VIG_SESSION_STATE_UNKNOWN");
const lively = testEdge({ auth: issuerAuth });

/** A view that says this of every session. */
const said = (kind: string) => async () => ({ kind }) as SessionAnswer;

const call = (name: GuardName, token: string, { app } = lively) =>
  app.inject({ ...guarded[name], headers: { authorization: `Bearer ${token}` } });

describe.each(names)("behind the guard %s", (name) => {
  test.each([...brokenTokens])("SEC-01, SEC-03, SEC-04: %s is refused", async (_name, token) => {
    const response = await call(name, token);
    assert.equal(response.statusCode, 401, response.body);
    assert.ok(["VIG_TOKEN_INVALID", "VIG_TOKEN_EXPIRED"].includes(response.json().code));
    assert.ok(!response.body.includes(token.slice(0, 40)) || token === "none");
  });

  test("a revoked session's token is refused at once", async () => {
    const ended: SessionAnswer = { kind: "ended", status: "REVOKED" };
    const edge = testEdge({ auth: issuerAuth, view: memoryView(new Map([["s-1", ended]])) });
    const response = await call(name, await issued(), edge);
    assert.equal(response.statusCode, 401, response.body);
    assert.equal(response.json().code, "VIG_SESSION_ENDED");
  });

  test("a tenant that is not the token's is refused", async () => {
    const headers = { authorization: `Bearer ${await issued()}`, "x-tenant-id": "other" };
    const response = await lively.app.inject({ ...guarded[name], headers });
    assert.equal(response.json().code, "VIG_TENANT_MISMATCH");
  });
});

describe.each(["person", "admin", "scoped"] as const)("behind the guard %s a session", (name) => {
  test.each([
    ["that nobody has heard of is refused", said("unknown"), 401, "VIG_SESSION_ENDED"],
    ["of a later version's kind is refused", said("later"), 401, "VIG_SESSION_ENDED"],
    ["that nobody can vouch for waits", () => Promise.reject(unsure), 503, unsure.code],
    ["that is asked for in vain is refused", () => Promise.reject(undefined), 500, "VIG_INTERNAL"],
  ] as const)("%s", async (_what, resolve, status, code) => {
    const edge = testEdge({ auth: issuerAuth, view: { ...memoryView(), resolve } });
    const response = await call(name, await issued(), edge);
    assert.deepEqual([response.statusCode, response.json().code], [status, code], response.body);
  });
});

test.each([
  ["nobody has heard of it", "unknown", 202],
  ["a kind that nobody knows yet", "of a later version", 401],
] as const)(
  "SES-04: an event of a session's own, when it is said: %s",
  async (_what, kind, status) => {
    const view = { ...memoryView(), resolve: said(kind) };
    const edge = testEdge({ auth: issuerAuth, view });
    const headers = { authorization: `Bearer ${await issued()}` };
    const payload = { occurred_at: NOW_MS, channel: "MOBILE" };
    const response = await edge.app.inject({ ...guarded.ingest, headers, payload });
    assert.equal(response.statusCode, status, response.body);
  },
);

test.each([
  ["nobody can say whether it lives", unsure, 202, 1],
  ["asking fails otherwise", new TypeError("a bug"), 500, 0],
  ["asking fails without saying why", undefined, 500, 0],
] as const)(
  "SES-04: an event of a session's own, when %s",
  async (_name, fault, status, events) => {
    const view = { ...memoryView(), resolve: () => Promise.reject(fault) };
    const edge = testEdge({ auth: issuerAuth, view });
    const headers = { authorization: `Bearer ${await issued()}` };
    const payload = { occurred_at: NOW_MS, channel: "MOBILE" };
    const response = await edge.app.inject({ ...guarded.ingest, headers, payload });
    assert.equal(response.statusCode, status, response.body);
    assert.equal(edge.output.produced.length, events);
  },
);

test.each([
  ["person", { sub: "pay", sid: undefined }, "VIG_PERSON_ONLY"],
  ["admin", { sub: "pay", sid: undefined, scope: "id:introspect" }, "VIG_SCOPE_MISSING"],
  ["admin", { org_id: "pay" }, "VIG_ID_DOMAIN_ONLY"],
  ["scoped", { scope: "revocations:ack" }, "VIG_SCOPE_MISSING"],
  ["ingest", { sub: "pay", sid: undefined, scope: "revocations:ack" }, "VIG_SCOPE_MISSING"],
] as const)("SUB-01: refused by the guard %s, %j is on record", async (name, claims, code) => {
  const edge = testEdge({ auth: issuerAuth });
  const response = await call(name, await issued(claims), edge);
  assert.equal(response.statusCode, 403, response.body);
  assert.equal(response.json().code, code);
  const faults = edge.audit.refusals.map(({ payload }) => payload.fault);
  assert.deepEqual(faults, [code]);
});
