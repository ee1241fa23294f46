import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { uuidOf } from "@vigie/service-kit/ids";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer } from "@vigie/service-kit/sessions/view";
import { describe, expect, test } from "vitest";
import { bearer } from "../test-edge.ts";
import { type CommandEdge, commandEdge } from "./test-processor.ts";

const TENANT = "molam-sn";
const ME = { sub: "u-1", sid: "s-1", user_type: "EXTERNAL", scope: "" };
const LIVING = { "u-1": ["s-1", "s-2", "s-3"], "u-2": ["s-9"] };
/** s-9 is somebody else's, s-0 nobody's. */
const view = memoryView(
  new Map<string, SessionAnswer>([
    ["s-9", { kind: "unknown" }],
    ["s-0", { kind: "unknown" }],
    ["s-old", { kind: "ended", status: "REVOKED" }],
  ]),
);

interface Call {
  readonly url: string;
  readonly method?: "POST" | "DELETE" | "GET";
  readonly payload?: object;
  readonly claims?: Record<string, unknown>;
  readonly headers?: Record<string, string>;
}

async function call(
  { app }: CommandEdge,
  { url, method = "POST", payload, claims = ME, headers }: Call,
) {
  return app.inject({
    method,
    url,
    headers: { ...(await bearer(claims)), ...headers },
    ...(payload !== undefined && { payload }),
  });
}

const family: readonly (readonly [string, Call])[] = [
  ["REV-01", { url: "/api/id/sessions/s-2/revoke" }],
  ["REV-07", { url: "/api/v1/users/me/sessions/s-2", method: "DELETE" }],
];

test.each(family)("%s: an own session is revoked, in either family (CNF-03)", async (_id, one) => {
  const edge = commandEdge(LIVING, { view });
  const response = await call(edge, one);
  assert.equal(response.statusCode, 200, response.body);
  expect(response.json()).toMatchObject({
    status: "done",
    terminated_count: 1,
    revoked_session_ids: [uuidOf(TENANT, "session", "s-2")],
    already_ended: 0,
  });
  expect(edge.keys).toEqual(["molam-sn|u-1"]);
  expect(edge.commands).toMatchObject([
    {
      kind: "REVOKE_SESSION",
      tenant_id: TENANT,
      user_id: "u-1",
      session_id: "s-2",
      reason: "user_request",
      actor: { type: "USER", id: "u-1", ip: "127.0.0.1", user_agent: "lightMyRequest" },
    },
  ]);
});

test("REV-02: revoke_all is terminate-all with keep_current", async () => {
  const all = [
    { url: "/api/id/sessions/revoke_all" },
    { url: "/api/v1/users/me/sessions/terminate-all", payload: { keep_current: true } },
  ];
  for (const one of all) {
    const edge = commandEdge(LIVING);
    const response = await call(edge, one);
    assert.equal(response.statusCode, 200, response.body);
    assert.equal(response.json().terminated_count, 2);
    expect(edge.commands).toMatchObject([{ kind: "REVOKE_ALL", keep_session_id: "s-1" }]);
    assert.deepEqual([...(edge.live.get("u-1") ?? [])], ["s-1"]);
  }
});

test.each([
  [{ reason: "security_logout", keep_current: true }, "s-1"],
  [{ reason: "security_logout", keep_current: false }, null],
  [{}, null],
  [{ except_session_id: "s-3" }, "s-3"],
  [{ except_session_id: uuidOf(TENANT, "session", "s-1"), keep_current: true }, "s-1"],
])("REV-08, REV-09: terminate-all with %o spares %s", async (payload, kept) => {
  const edge = commandEdge(LIVING, { view });
  const url = "/api/v1/users/me/sessions/terminate-all";
  const response = await call(edge, { url, payload });
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(response.json().terminated_count, kept === null ? 3 : 2);
  assert.equal(edge.commands[0]?.keep_session_id, kept);
  assert.equal(edge.commands[0]?.reason, "reason" in payload ? payload.reason : "user_request");
});

test("a session to spare that is not the caller's own ends nothing", async () => {
  const edge = commandEdge(LIVING, { view });
  const url = "/api/v1/users/me/sessions/terminate-all";
  const unknown = await call(edge, { url, payload: { except_session_id: "s-9" } });
  assert.equal(unknown.statusCode, 404);
  const two = await call(edge, { url, payload: { except_session_id: "s-3", keep_current: true } });
  assert.equal(two.json().code, "VIG_BODY_INVALID");
  assert.deepEqual(edge.commands, []);
});

test("a token without a session has none to keep", async () => {
  const edge = commandEdge(LIVING);
  const claims = { sub: "u-1", user_type: "EXTERNAL" };
  const response = await call(edge, { url: "/api/id/sessions/revoke_all", claims });
  assert.equal(response.json().code, "VIG_REQUEST_INVALID");
  assert.deepEqual(edge.commands, []);
});

test.each([
  ["/api/id/devices/d-7/revoke", { kind: "REVOKE_DEVICE", device_id: "d-7" }],
  ["/api/id/channels/ussd/revoke", { kind: "REVOKE_CHANNEL", channel: "USSD" }],
  ["/api/id/channels/MOBILE/revoke", { kind: "REVOKE_CHANNEL", channel: "MOBILE" }],
])("REV-04: %s", async (url, command) => {
  const edge = commandEdge(LIVING);
  const response = await call(edge, { url });
  assert.equal(response.statusCode, 200, response.body);
  expect(edge.commands).toMatchObject([{ ...command, user_id: "u-1" }]);
});

test("the own session is known by its UUID too, without asking anybody", async () => {
  const edge = commandEdge(LIVING);
  const id = uuidOf(TENANT, "session", "s-1");
  const response = await call(edge, { url: `/api/id/sessions/${id}/revoke` });
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(edge.commands[0]?.session_id, "s-1");
});

test("REV-05: a session that has ended is revoked again without harm", async () => {
  const edge = commandEdge(LIVING, { view });
  const response = await call(edge, { url: "/api/id/sessions/s-old/revoke" });
  assert.equal(response.statusCode, 200, response.body);
  assert.equal(response.json().terminated_count, 0);
});

describe("who may", () => {
  const urls = [
    "/api/id/sessions/s-2/revoke",
    "/api/id/sessions/revoke_all",
    "/api/v1/users/me/sessions/terminate-all",
    "/api/v1/users/me/sessions/cleanup-expired",
    "/api/id/devices/d-1/revoke",
    "/api/id/channels/web/revoke",
  ];

  test.each(urls)("SUB-01: %s is refused to services, and put on record", async (url) => {
    const edge = commandEdge(LIVING);
    const claims = { sub: "pay", client_id: "pay", scope: "id:introspect revocations:ack" };
    const response = await call(edge, { url, claims });
    assert.equal(response.statusCode, 403);
    assert.equal(response.json().code, "VIG_PERSON_ONLY");
    assert.deepEqual(edge.commands, []);
    expect(edge.audit.refusals).toMatchObject([{ payload: { fault: "VIG_PERSON_ONLY" } }]);
  });

  test.each(urls)("SEC-01: %s needs a token", async (url) => {
    const { app } = commandEdge(LIVING);
    assert.equal((await app.inject({ method: "POST", url })).statusCode, 401);
  });

  test.each(urls)("TEN-04: %s refuses an X-Tenant-ID that disagrees", async (url) => {
    const edge = commandEdge(LIVING);
    const response = await call(edge, { url, headers: { "x-tenant-id": "other" } });
    assert.equal(response.json().code, "VIG_TENANT_MISMATCH");
    assert.deepEqual(edge.commands, []);
  });

  test("REV-15: a subsidiary's administrator is a person too, for their own sessions", async () => {
    const edge = commandEdge(LIVING);
    const claims = { ...ME, org_id: "pay", scope: "id:admin" };
    const response = await call(edge, { url: "/api/id/sessions/s-2/revoke", claims });
    assert.equal(response.statusCode, 200);
    assert.equal(edge.commands[0]?.actor.type, "USER");
  });

  test("a session that has ended speaks for nobody", async () => {
    const edge = commandEdge(LIVING, { view });
    const response = await call(edge, {
      url: "/api/id/sessions/s-2/revoke",
      claims: { ...ME, sid: "s-old" },
    });
    assert.equal(response.json().code, "VIG_SESSION_ENDED");
    assert.deepEqual(edge.commands, []);
  });

  test.each([
    ["somebody else's", "s-9"],
    ["nobody's", "s-0"],
  ])("REV-15: %s session is not found", async (_whose, id) => {
    const edge = commandEdge(LIVING, { view });
    for (const one of [
      { url: `/api/id/sessions/${id}/revoke` },
      { url: `/api/v1/users/me/sessions/${id}`, method: "DELETE" as const },
    ]) {
      const response = await call(edge, one);
      assert.equal(response.statusCode, 404);
      assert.equal(response.json().detail, "there is no such session");
    }
    assert.deepEqual(edge.commands, []);
  });
});

describe("what is refused", () => {
  test.each([
    [{ reason: 7 }],
    [{ reason: { $gt: "" } }],
    [{ reason: "" }],
    [{ reason: "x".repeat(101) }],
    [{ reason: "a\u0000b" }],
    [{ keep_curent: true }],
    [{ keep_current: "true" }],
    [{ except_session_id: ["s-1"] }],
    [{ user_id: "u-2" }],
    [[]],
  ])("a body that is not as described: %j", async (payload) => {
    const edge = commandEdge(LIVING);
    const url = "/api/v1/users/me/sessions/terminate-all";
    const response = await call(edge, { url, payload });
    assert.equal(response.statusCode, 400, response.body);
    assert.equal(response.json().code, "VIG_BODY_INVALID");
    assert.deepEqual(edge.commands, []);
  });

  test("a body of 1 MB", async () => {
    const edge = commandEdge(LIVING);
    const payload = { reason: "x".repeat(1_048_576) };
    const response = await call(edge, { url: "/api/id/sessions/revoke_all", payload });
    assert.equal(response.statusCode, 413);
  });

  test.each([`/api/id/sessions/${"x".repeat(129)}/revoke`, "/api/id/sessions/a%00b/revoke"])(
    "an id that is none: %s",
    async (url) => {
      const edge = commandEdge(LIVING);
      assert.equal((await call(edge, { url })).statusCode, 400);
    },
  );

  test("a channel that does not exist", async () => {
    const edge = commandEdge(LIVING);
    const response = await call(edge, { url: "/api/id/channels/fax/revoke" });
    assert.equal(response.statusCode, 404);
  });

  test("anything while the schemas are not known", async () => {
    const edge = commandEdge(LIVING, { isReady: () => false });
    const response = await call(edge, { url: "/api/id/sessions/revoke_all" });
    assert.equal(response.json().code, "VIG_REGISTRY_AWAY");
  });
});

describe("REV-05: Idempotency-Key", () => {
  const url = "/api/id/sessions/revoke_all";
  const headers = { "idempotency-key": "k-1" };

  test("the same call 50 times at once is one command with one outcome", async () => {
    const edge = commandEdge(LIVING);
    const calls = Array.from({ length: 50 }, () => call(edge, { url, headers }));
    const answers = (await Promise.all(calls)).map(({ body }) => body);
    assert.equal(new Set(answers).size, 1);
    assert.equal(JSON.parse(answers[0] ?? "").terminated_count, 2);
    assert.equal(edge.commands.length, 1);
    assert.equal(edge.done.size, 1);
  });

  test("two edges give it the same id, so that the processor does it once", async () => {
    const edges = [commandEdge(LIVING), commandEdge(LIVING)];
    for (const edge of edges) await call(edge, { url, headers });
    const [one, other] = edges.map(({ commands }) => commands[0]?.command_id);
    assert.ok(one !== undefined && one === other);
  });

  test.each([
    ["another key", { url, headers: { "idempotency-key": "k-2" } }],
    ["another user", { url, headers, claims: { ...ME, sub: "u-2" } }],
    ["another tenant", { url, headers, claims: { ...ME, tenant_id: "other" } }],
    ["another session to keep", { url, headers, claims: { ...ME, sid: "s-2" } }],
    ["another wish", { url: "/api/id/sessions/s-2/revoke", headers }],
    ["no key", { url }],
  ])("%s is another command", async (_what, other) => {
    const edge = commandEdge(LIVING);
    await call(edge, { url, headers });
    await call(edge, other);
    assert.equal(new Set(edge.commands.map(({ command_id }) => command_id)).size, 2);
  });

  test.each(["", "a b", "x".repeat(256), "é"])("a key that is none is refused: %j", async (key) => {
    const edge = commandEdge(LIVING);
    const response = await call(edge, { url, headers: { "idempotency-key": key } });
    assert.equal(response.json().code, "VIG_REQUEST_INVALID");
    assert.deepEqual(edge.commands, []);
  });

  test("a command that the broker did not take may be sent again", async () => {
    let isAway = true;
    const edge = commandEdge(LIVING);
    const { output } = edge;
    const away = commandEdge(LIVING, {
      commandWaitMs: 20,
      output: {
        ...output,
        publish: (event) =>
          isAway
            ? Promise.reject(new VigError("VIG_BROKER_AWAY", { why: "planted" }))
            : output.publish(event),
      },
    });
    const first = await call(away, { url, headers });
    assert.equal(first.statusCode, 503);
    assert.ok(first.headers["retry-after"] !== undefined);
    isAway = false;
    assert.ok([200, 202].includes((await call(away, { url, headers })).statusCode));
  });
});

describe("an outcome that is late", () => {
  test("is asked for where Location says", async () => {
    const edge = commandEdge(LIVING, { isSilent: true });
    const response = await call(edge, { url: "/api/id/sessions/revoke_all" });
    assert.equal(response.statusCode, 202);
    const { command_id, status } = response.json();
    assert.equal(status, "pending");
    const url = String(response.headers.location);
    assert.equal(url, `/api/id/commands/${command_id}`);
    assert.equal((await call(edge, { url, method: "GET" })).statusCode, 202);

    edge.outcomes.commands.deliver(command_id, {
      command_id,
      batch_id: null,
      tenant_id: TENANT,
      user_id: "u-1",
      revoked_session_ids: ["s-2"],
      already_ended: 1,
      decided_at: 0,
    });
    const known = await call(edge, { url, method: "GET" });
    assert.equal(known.statusCode, 200);
    expect(known.json()).toMatchObject({ terminated_count: 1, already_ended: 1 });

    const askedBy = async (claims: Record<string, unknown>) =>
      (await call(edge, { url, method: "GET", claims })).statusCode;
    assert.equal(await askedBy({ ...ME, sub: "u-2" }), 404);
    assert.equal(await askedBy({ ...ME, tenant_id: "other" }), 404);
    assert.equal(await askedBy({ sub: "pay", client_id: "pay" }), 404);
    assert.equal(await askedBy({ ...ME, sub: "a-1", org_id: "pay", scope: "id:admin" }), 404);
    assert.equal(await askedBy({ ...ME, sub: "a-1", scope: "id:admin" }), 200);
  });

  test("of a command that nobody knows is not found", async () => {
    const url = "/api/id/commands/00000000-0000-5000-8000-000000000000";
    assert.equal((await call(commandEdge(), { url, method: "GET" })).statusCode, 404);
  });
});
