import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer, SessionFacts } from "@vigie/service-kit/sessions/view";
import { test } from "vitest";
import { AUDIENCE, ISSUER, NOW_MS, testEdge } from "../test-edge.ts";
import { brokenTokens, issued, issuerAuth } from "../test-tokens.ts";

const NOW_S = NOW_MS / 1_000;
const session: SessionFacts = {
  tenantId: "acme",
  userId: "u-1",
  sessionId: "s-1",
  orgId: null,
  roles: ["customer"],
  channel: "USSD",
  startedAtMs: NOW_MS,
  deviceId: null,
  userType: "EXTERNAL",
  country: "SN",
  city: null,
  createdAtMs: NOW_MS,
  lastSeenMs: NOW_MS,
  idleExpiresAtMs: NOW_MS + 180_000,
  absoluteExpiresAtMs: NOW_MS + 3_600_000,
  stepUpRequiredAtMs: null,
  riskScore: 35,
};
const live = (over: Partial<SessionFacts> = {}): SessionAnswer => ({
  kind: "live",
  session: { ...session, ...over },
});
const subsidiary = { sub: "pay", client_id: "pay", sid: undefined, scope: "id:introspect" };

const edgeThatKnows = (answer: SessionAnswer) =>
  testEdge({ auth: issuerAuth, view: memoryView(new Map([["s-1", answer]])) });
const lively = edgeThatKnows(live());

/** What `asking` is told of `token`, by an edge that knows of the session s-1 what `answer` says. */
async function introspect(
  token: string,
  { answer, asking = {} }: { answer?: SessionAnswer; asking?: object } = {},
) {
  const edge = answer === undefined ? lively : edgeThatKnows(answer);
  const authorization = `Bearer ${await issued({ ...subsidiary, ...asking })}`;
  return form(edge, new URLSearchParams({ token }).toString(), { authorization });
}

const form = (edge: ReturnType<typeof testEdge>, payload: string, headers: object) =>
  edge.app.inject({
    method: "POST",
    url: "/oauth2/introspect",
    headers: { "content-type": "application/x-www-form-urlencoded", ...headers },
    payload,
  });

test("SUB-02: a subsidiary is told what a live session's token is worth", async () => {
  const response = await introspect(await issued({ client_id: "app", scope: "events:write" }));
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(response.headers["cache-control"], "no-store");
  assert.deepEqual(response.json(), {
    active: true,
    scope: "events:write",
    client_id: "app",
    token_type: "Bearer",
    exp: NOW_S + 900,
    iat: NOW_S,
    sub: "u-1",
    aud: AUDIENCE,
    iss: ISSUER,
    tenant_id: "acme",
    sid: "s-1",
    channel: "USSD",
    step_up_required: false,
    risk_score: 35,
    session_expires_at: NOW_S + 180,
  });
});

test("a second factor that is asked for is told", async () => {
  const answer = live({ stepUpRequiredAtMs: NOW_MS - 1 });
  const response = await introspect(await issued(), { answer });
  assert.equal(response.json().step_up_required, true);
});

test.each<[string, SessionAnswer]>([
  ["revoked", { kind: "ended", status: "REVOKED" }],
  ["logged out", { kind: "ended", status: "LOGGED_OUT" }],
  ["silent for too long", { kind: "ended", status: "IDLE_EXPIRED" }],
  ["unknown", { kind: "unknown" }],
])("of a session that is %s nothing is told but that", async (_name, answer) => {
  const response = await introspect(await issued(), { answer });
  assert.equal(response.statusCode, 200);
  assert.equal(response.body, '{"active":false}');
});

test.each([...brokenTokens])("SEC-03, SEC-04: %s is inactive", async (_name, token) => {
  const response = await introspect(token);
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(response.body, '{"active":false}');
});

test("TEN-01: a token of another tenant is inactive for whoever asks", async () => {
  const response = await introspect(await issued(), { asking: { tenant_id: "other" } });
  assert.equal(response.body, '{"active":false}');
});

test("a service's token is active by its signature alone", async () => {
  const token = await issued({ sub: "gateway", sid: undefined });
  const response = await introspect(token, { answer: { kind: "unknown" } });
  const { active, sub, client_id, sid } = response.json();
  assert.deepEqual([active, sub, client_id, sid], [true, "gateway", "gateway", undefined]);
});

test("SEC-02: who may not introspect is told nothing of the token, and it is on record", async () => {
  const edge = testEdge({ auth: issuerAuth });
  const authorization = `Bearer ${await issued({ ...subsidiary, scope: "revocations:ack" })}`;
  const body = new URLSearchParams({ token: await issued() }).toString();
  const response = await form(edge, body, { authorization });
  assert.equal(response.json().code, "VIG_SCOPE_MISSING");
  assert.equal(edge.audit.refusals.length, 1);
});

test("who asks with a session that has ended is refused", async () => {
  const answer: SessionAnswer = { kind: "ended", status: "REVOKED" };
  const response = await introspect(await issued(), { answer, asking: { sid: "s-1" } });
  assert.equal(response.json().code, "VIG_SESSION_ENDED");
});

test("when nobody can vouch for the session the answer is 503, never a guess", async () => {
  const resolve = () => Promise.reject(new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "test" }));
  const edge = testEdge({ auth: issuerAuth, view: { ...memoryView(), resolve } });
  const authorization = `Bearer ${await issued(subsidiary)}`;
  const body = new URLSearchParams({ token: await issued() }).toString();
  const response = await form(edge, body, { authorization });
  assert.equal(response.statusCode, 503);
  assert.equal(response.json().code, "VIG_SESSION_STATE_UNKNOWN");
  assert.ok(Number(response.headers["retry-after"]) > 0);
});

test.each([
  ["no token", "token_type_hint=access_token", 400, "VIG_BODY_INVALID"],
  ["two tokens", "token=a&token=b", 400, "VIG_BODY_INVALID"],
  ["1 MB", `token=${"x".repeat(1_048_576)}`, 413, "VIG_BODY_TOO_LARGE"],
])("a form with %s is refused", async (_name, payload, status, code) => {
  const authorization = `Bearer ${await issued(subsidiary)}`;
  const response = await form(lively, payload, { authorization });
  assert.equal(response.statusCode, status);
  assert.equal(response.json().code, code);
});

test("a body that is no form is refused", async () => {
  const headers = {
    authorization: `Bearer ${await issued(subsidiary)}`,
    "content-type": "application/json",
  };
  const response = await form(lively, JSON.stringify({ token: await issued() }), headers);
  assert.equal(response.json().code, "VIG_MEDIA_TYPE");
  assert.equal(response.json().detail, "send application/x-www-form-urlencoded, uncompressed");
});
