import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { SessionName } from "@vigie/core/keys";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer, SessionView } from "@vigie/service-kit/sessions/view";
import { test } from "vitest";
import { NOW_MS, post, producedValues, testEdge } from "../test-edge.ts";

const URL = "/api/id/sessions/validate";
const PAY = { sub: "pay", client_id: "pay", tenant_id: "acme", scope: "id:introspect" };
const GATEWAY = { ...PAY, scope: "id:introspect events:write" };

const live = await memoryView().resolve(new SessionName("acme", "u-1", "s-1"));
assert.ok(live.kind === "live");
const seen: SessionAnswer = {
  kind: "live",
  session: {
    ...live.session,
    channel: "USSD",
    riskScore: 35,
    stepUpRequiredAtMs: NOW_MS,
    idleExpiresAtMs: NOW_MS + 180_000,
  },
};

/** An edge that knows of acme's session s-1 what `answer` says, and of no other. */
function edgeThatKnows(answer: SessionAnswer) {
  const resolveById: SessionView["resolveById"] = async (tenantId, sessionId) =>
    tenantId === "acme" && sessionId === "s-1" ? answer : { kind: "unknown" };
  return testEdge({ view: { ...memoryView(), resolveById } });
}

test("SES-17, SES-18, ANO-21: a live session is told by its id, with what is suspected of it", async () => {
  const edge = edgeThatKnows(seen);
  const response = await post(edge, URL, { session_id: "s-1" }, { claims: PAY });
  assert.equal(response.statusCode, 200, response.body);
  assert.deepEqual(response.json(), {
    active: true,
    channel: "USSD",
    step_up_required: true,
    risk_score: 35,
    session_expires_at: (NOW_MS + 180_000) / 1_000,
  });
  assert.deepEqual(edge.output.produced, []);
});

test.each<[string, SessionAnswer, object]>([
  ["revoked", { kind: "ended", status: "REVOKED" }, {}],
  ["silent for too long", { kind: "ended", status: "IDLE_EXPIRED" }, {}],
  ["unknown", { kind: "unknown" }, {}],
  ["of another tenant", seen, { tenant_id: "other" }],
])(
  "of a session that is %s nothing is told but that, and nobody has seen it",
  async (_, answer, more) => {
    const edge = edgeThatKnows(answer);
    const body = { session_id: "s-1", update_activity: true };
    const response = await post(edge, URL, body, { claims: { ...GATEWAY, ...more } });
    assert.equal(response.body, '{"active":false}');
    assert.deepEqual(edge.output.produced, []);
  },
);

test("SES-17: with update_activity the session has been seen now, as a heartbeat says it", async () => {
  const edge = edgeThatKnows(seen);
  const body = { session_id: "s-1", update_activity: true };
  const response = await post(edge, URL, body, { claims: GATEWAY });
  assert.equal(response.json().active, true, response.body);
  assert.deepEqual(
    edge.output.produced.map(({ topic, key }) => [topic, key]),
    [["id.heartbeat", "acme|u-1"]],
  );
  const [beat] = producedValues(edge);
  assert.partialDeepStrictEqual(beat, {
    user_id: "u-1",
    session_id: "s-1",
    channel: "USSD",
    occurred_at: NOW_MS,
    network: null,
  });
});

test.each([
  ["SUB-01: a subsidiary cannot say that it has seen a session", PAY, "events:write"],
  ["who may not introspect is told nothing", { ...PAY, scope: "events:write" }, "id:introspect"],
])("%s, and it is on record", async (_, claims, scope) => {
  const edge = edgeThatKnows(seen);
  const body = { session_id: "s-1", update_activity: true };
  const response = await post(edge, URL, body, { claims });
  assert.equal(response.statusCode, 403);
  assert.equal(response.json().code, "VIG_SCOPE_MISSING");
  assert.ok(String(response.json().detail).includes(scope));
  assert.equal(edge.audit.refusals.length, 1);
  assert.deepEqual(edge.output.produced, []);
});

test("a person's own token cannot speak for another session", async () => {
  const edge = edgeThatKnows(seen);
  const claims = { ...GATEWAY, sub: "u-1", sid: "s-2", user_type: "EXTERNAL" };
  const body = { session_id: "s-1", update_activity: true };
  const response = await post(edge, URL, body, { claims });
  assert.deepEqual([response.statusCode, response.json().code], [403, "VIG_SESSION_MISMATCH"]);
  assert.deepEqual(edge.output.produced, []);
});

test("when nobody can tell the answer is 503, never a guess", async () => {
  const resolveById = () =>
    Promise.reject(new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "test" }));
  const edge = testEdge({ view: { ...memoryView(), resolveById } });
  const response = await post(edge, URL, { session_id: "s-1" }, { claims: PAY });
  assert.deepEqual([response.statusCode, response.json().code], [503, "VIG_SESSION_STATE_UNKNOWN"]);
  assert.ok(Number(response.headers["retry-after"]) > 0);
});

test.each<[string, object]>([
  ["no id", {}],
  ["an id too long", { session_id: "x".repeat(129) }],
  ["an id with a control character", { session_id: "a\u0000" }],
  ["a text where a yes or no is meant", { session_id: "s-1", update_activity: "true" }],
  ["another member", { session_id: "s-1", tenant: "other" }],
])("a body with %s is refused", async (_, body) => {
  const response = await post(edgeThatKnows(seen), URL, body, { claims: PAY });
  assert.deepEqual([response.statusCode, response.json().code], [400, "VIG_BODY_INVALID"]);
});
