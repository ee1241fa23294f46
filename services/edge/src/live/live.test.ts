import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { uuidOf } from "@vigie/service-kit/ids";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import type { SessionAnswer } from "@vigie/service-kit/sessions/view";
import { eventually } from "@vigie/testkit/eventually";
import { afterEach, expect, test } from "vitest";
import { administeredSchema, detailsSchema, toldAnomalySchema } from "../inventory/answers.ts";
import { type TestEdge, testEdge } from "../test-edge.ts";
import { brokenTokens, issued, issuerAuth } from "../test-tokens.ts";
import {
  anomaly,
  type Client,
  connect,
  epoch,
  handshake,
  revocation,
  state,
} from "./test-client.ts";

const edges: TestEdge[] = [];
afterEach(async () => {
  await Promise.all(edges.splice(0).map(({ app }) => app.close()));
});

function open(overrides: Parameters<typeof testEdge>[0] = {}): TestEdge {
  const edge = testEdge({ auth: issuerAuth, ...overrides });
  edges.push(edge);
  return edge;
}

const customer = { scope: "" };
const administrator = { sub: "admin-7", sid: undefined, scope: "id:admin" };

const auth = async (claims: object, more: object = {}) => ({
  type: "auth",
  token: await issued(claims as Record<string, unknown>),
  ...more,
});
const own = async (edge: TestEdge, claims: object = {}): Promise<Client> => {
  const client = await connect(edge, await auth({ ...customer, ...claims }));
  await client.told(1);
  return client;
};
const all = async (edge: TestEdge, more: object = {}): Promise<Client> => {
  const client = await connect(edge, await auth(administrator, { of: "tenant", ...more }));
  await client.told(1);
  return client;
};

/** Everything that could be told, of two users and two tenants. */
function publishAll({ hub }: TestEdge): void {
  for (const of of [{}, { user_id: "u-2" }, { tenant_id: "other" }]) {
    const session_id = "s-9";
    hub.publish({ kind: "session", value: state({ ...of, session_id }) });
    hub.publish({ kind: "anomaly", value: anomaly(of) });
    hub.publish({
      kind: "anomaly",
      value: anomaly({ ...of, anomaly_id: "shadow", mode: "SHADOW" }),
    });
    hub.publish({ kind: "revocation", value: revocation({ ...of, session_id }) });
  }
  for (const tenant_id of ["acme", "other"]) {
    hub.publish({ kind: "epoch", value: epoch({ tenant_id, scope: "ORG", value: "pay" }) });
  }
}

test("a person is told what is wanted, then of their own sessions, and of nobody else's", async () => {
  const edge = open();
  const client = await own(edge);
  publishAll(edge);
  edge.hub.publish({ kind: "session", value: state({ session_id: "last" }) });
  const [hello, session, found, revoked, last] = await client.told(5);
  assert.deepEqual(hello, {
    type: "hello",
    of: "me",
    user: null,
    kinds: ["session", "anomaly", "revocation", "epoch"],
    expires_at: "2026-01-05T10:15:00.000Z",
  });
  assert.deepEqual(Object.keys(session ?? {}).sort(), fieldsOf(detailsSchema));
  assert.equal(session?.session_id, uuidOf("acme", "session", "s-9"));
  assert.equal(session?.ip_prefix, "41.82.17.0/24");
  assert.equal(session?.is_active, true);
  assert.deepEqual(Object.keys(found ?? {}).sort(), fieldsOf(toldAnomalySchema));
  assert.equal(found?.mode, "ENFORCE");
  assert.equal(revoked?.type, "revocation");
  assert.equal(revoked?.actor_type, "ADMIN");
  for (const hidden of ["actor_id", "user_key", "device_key"])
    assert.ok(!(hidden in (revoked ?? {})));
  assert.equal(last?.session_id, uuidOf("acme", "session", "last"));
  assert.ok(!JSON.stringify(client.messages).includes("c0ffee"), "no hash of an address is told");
  assert.equal(edge.audit.entries.length, 0);
});

const fieldsOf = ({ properties }: { properties: object }) =>
  ["type", ...Object.keys(properties)].sort();

test("an administrator is told of the whole tenant, of it alone, and is on record once", async () => {
  const edge = open();
  const client = await all(edge);
  publishAll(edge);
  const told = (await client.told(10)).slice(1);
  const kinds = told.map(({ type }) => type);
  assert.deepEqual(kinds.sort(), [
    ...["anomaly", "anomaly", "anomaly", "anomaly", "epoch"],
    ...["revocation", "revocation", "session", "session"],
  ]);
  assert.deepEqual(
    new Set(told.map(({ user_key }) => user_key)),
    new Set(["u-1", "u-2", undefined]),
  );
  assert.equal(told.filter(({ mode }) => mode === "SHADOW").length, 2);
  const session = told.find(({ type }) => type === "session");
  assert.deepEqual(Object.keys(session ?? {}).sort(), fieldsOf(administeredSchema));
  const [entry, ...more] = edge.audit.entries;
  assert.equal(more.length, 0);
  assert.equal(entry?.action, "stream.opened");
});

test.each(["u-2", uuidOf("acme", "user", "u-2")])(
  "an administrator asks for one user: %s",
  async (user) => {
    const edge = open();
    const client = await all(edge, { user, kinds: ["session", "revocation"] });
    publishAll(edge);
    const told = (await client.told(3)).slice(1);
    assert.deepEqual(
      told.map(({ type, user_key }) => [type, user_key]),
      [
        ["session", "u-2"],
        ["revocation", "u-2"],
      ],
    );
    assert.equal(edge.audit.entries[0]?.subjectUserId, user);
  },
);

test("a retraction tells ids and times alone", async () => {
  const edge = open();
  const client = await own(edge);
  edge.hub.publish({ kind: "anomaly", value: anomaly({ retracts: "a-0", anomaly_id: "a-1" }) });
  const [, told] = await client.told(2);
  assert.deepEqual(told, {
    type: "anomaly",
    anomaly_id: "a-0",
    session_id: uuidOf("acme", "session", "s-1"),
    retracted_at: "2026-01-05T10:00:00.005Z",
    retracted_by: "a-1",
  });
});

test.each([...brokenTokens])("SEC-03, SEC-04: with %s nothing is told", async (_name, token) => {
  const edge = open();
  const client = await connect(edge, { type: "auth", token });
  const [code, reason] = await client.ended;
  assert.equal(code, 4_401, reason);
  assert.deepEqual(client.messages, []);
});

test.each([
  ["no right to it", { sid: undefined, sub: "x", scope: "" }, "VIG_SCOPE_MISSING"],
  ["a subsidiary's rights", { ...administrator, org_id: "pay" }, "VIG_ID_DOMAIN_ONLY"],
])(
  "SUB-01: with %s a tenant is not shown, and the attempt is on record",
  async (_name, claims, fault) => {
    const edge = open();
    const client = await connect(edge, await auth(claims, { of: "tenant" }));
    assert.deepEqual(await client.ended, [4_403, fault]);
    assert.deepEqual(
      edge.audit.refusals.map(({ payload }) => payload),
      [{ fault }],
    );
    assert.deepEqual(client.messages, []);
  },
);

test("TEN-01: another tenant is not to be had by asking for it", async () => {
  const edge = open();
  const token = await issued(administrator);
  const client = await connect(
    edge,
    { type: "auth", token, of: "tenant" },
    { "x-tenant-id": "other" },
  );
  assert.deepEqual(await client.ended, [4_403, "VIG_TENANT_MISMATCH"]);
  const faults = edge.audit.refusals.map(({ payload }) => payload.fault);
  assert.deepEqual(faults, ["VIG_TENANT_MISMATCH"]);
});

test("a service has no sessions of its own", async () => {
  const client = await connect(open(), await auth(administrator));
  assert.deepEqual(await client.ended, [4_403, "VIG_PERSON_ONLY"]);
});

test("nothing is told of others before it is on record", async () => {
  const failing = async () => {
    throw new VigError("VIG_AUDIT_WRITE_FAILED");
  };
  const edge = open({ audit: { record: failing, recordOwn: failing, denied: () => {} } });
  const client = await connect(edge, await auth(administrator, { of: "tenant" }));
  assert.deepEqual(await client.ended, [1_013, "VIG_AUDIT_WRITE_FAILED"]);
});

test("AUD-12: who streams as somebody else is on record with both; a person who streams as themselves is not", async () => {
  const edge = open();
  await own(edge);
  assert.deepEqual(edge.audit.entries, []);
  const client = await connect(edge, await auth({ ...customer, act: { sub: "admin-1" } }));
  await client.told(1);
  assert.partialDeepStrictEqual(edge.audit.entries, [
    { action: "stream.opened", subjectUserId: "u-1", caller: { impersonatorId: "admin-1" } },
  ]);
});

test.each<[string, SessionAnswer]>([
  ["revoked", { kind: "ended", status: "REVOKED" }],
  ["unknown", { kind: "unknown" }],
])("the token of a session that is %s opens nothing", async (_name, answer) => {
  const view = memoryView(new Map([["s-1", answer]]));
  const client = await connect(open({ view }), await auth(customer));
  assert.deepEqual(await client.ended, [4_401, "VIG_SESSION_ENDED"]);
});

test.each([
  ["revoked", { kind: "revocation", value: revocation() }],
  ["logged out", { kind: "session", value: state({ status: "LOGGED_OUT" }) }],
  [
    "of a channel that is signed out",
    { kind: "epoch", value: epoch({ scope: "CHANNEL", value: "MOBILE" }) },
  ],
] as const)("a session that is %s takes its stream along at once", async (_name, event) => {
  const edge = open();
  const client = await own(edge);
  edge.hub.publish({ ...event } as Parameters<typeof edge.hub.publish>[0]);
  const before = performance.now();
  assert.deepEqual(await client.ended, [4_401, "VIG_SESSION_ENDED"]);
  assert.ok(performance.now() - before < 1_000);
});

test("who is told of a revocation that ends the stream hears of it first", async () => {
  const edge = open();
  const client = await own(edge);
  edge.hub.publish({ kind: "revocation", value: revocation() });
  await client.ended;
  assert.equal(client.messages.at(-1)?.type, "revocation");
});

test("an administrator's stream ends with their own session, whatever they look at", async () => {
  const edge = open();
  const client = await connect(
    edge,
    await auth({ sub: "u-1", scope: "id:admin" }, { of: "tenant", user: "u-2" }),
  );
  await client.told(1);
  edge.hub.publish({ kind: "revocation", value: revocation() });
  assert.deepEqual(await client.ended, [4_401, "VIG_SESSION_ENDED"]);
  assert.equal(client.messages.length, 1);
});

test("what ends other sessions leaves a stream open", async () => {
  const edge = open();
  const client = await own(edge);
  edge.hub.publish({ kind: "revocation", value: revocation({ session_id: "s-2" }) });
  edge.hub.publish({ kind: "epoch", value: epoch({ scope: "CHANNEL", value: "USSD" }) });
  edge.hub.publish({ kind: "session", value: state() });
  assert.equal((await client.told(3)).at(-1)?.type, "session");
});

test("a token that expires meanwhile takes its stream along within a second", async () => {
  const startMs = Date.now();
  const { clock } = { clock: () => 1_767_607_200_000 + (Date.now() - startMs) };
  const edge = open({ clock });
  const client = await own(edge, { exp: 1_767_607_201 });
  assert.deepEqual(await client.ended, [4_401, "VIG_TOKEN_EXPIRED"]);
  assert.ok(Date.now() - startMs < 2_000);
});

test.each([
  ["no JSON", "{"],
  ["another type", '{"type":"hello","token":"x"}'],
  ["a member that nobody knows", '{"type":"auth","token":"x","tenant":"other"}'],
  ["an unknown kind", '{"type":"auth","token":"x","kinds":["all"]}'],
  ["a user of 130 units", `{"type":"auth","token":"x","user":"${"\u{1f600}".repeat(65)}"}`],
  ["half a character", '{"type":"auth","token":"x","of":"tenant","user":"\\ud800"}'],
])("a first message with %s is refused", async (_name, message) => {
  const client = await connect(open(), message);
  assert.deepEqual(await client.ended, [4_400, "VIG_BODY_INVALID"]);
});

test("a second message, and one over 16 KiB, end the stream", async () => {
  const edge = open();
  const client = await own(edge);
  client.socket.send("{}");
  assert.deepEqual(await client.ended, [4_400, "VIG_REQUEST_INVALID"]);
  const long = await connect(edge, "x".repeat(16_385));
  assert.equal((await long.ended)[0], 1_009);
});

test("CNF-30: browsers connect from origins that are allowed, and from no other", async () => {
  const edge = open();
  const from = async (origin: string) => connect(edge, await auth(customer), { origin });
  await (await from("https://app.molam.example")).told(1);
  for (const origin of ["https://evil.example", "https://a.b.molam.sn", "null"]) {
    const client = await from(origin);
    assert.deepEqual(await client.ended, [4_403, "VIG_ORIGIN_REFUSED"]);
    assert.deepEqual(client.messages, []);
  }
});

const limits = { connectionsMax: 20, perCallerMax: 3, bufferMaxBytes: 65_536 };

test("a caller has so many streams and no more, until one ends", async () => {
  const edge = open({ liveLimits: limits });
  const [first] = await Promise.all([own(edge), own(edge), own(edge)]);
  const fourth = await connect(edge, await auth(customer));
  assert.deepEqual(await fourth.ended, [4_429, "VIG_STREAMS_TOO_MANY"]);
  first?.socket.close();
  await first?.ended;
  await eventually(() => assert.equal(edge.hub.size, 2));
  await own(edge);
});

test("an edge has so many streams, and a tenth of them may not have sent their token", async () => {
  const edge = open({ liveLimits: limits });
  const silent = await Promise.all([connect(edge, null), connect(edge, null)]);
  const refused = await connect(edge, null);
  assert.deepEqual(await refused.ended, [1_013, "VIG_STREAMS_FULL"]);
  for (const { socket } of silent) socket.close();
  await Promise.all(silent.map(({ ended }) => ended));
  for (let n = 0; n < limits.connectionsMax; n += 1) await own(edge, { sub: `u-${n}` });
  const last = await connect(edge, null);
  assert.deepEqual(await last.ended, [1_013, "VIG_STREAMS_FULL"]);
});

test("when events were missed every stream ends, and none begins until they are followed", async () => {
  const edge = open();
  const client = await own(edge);
  edge.hub.lost();
  assert.deepEqual(await client.ended, [1_013, "VIG_BROKER_AWAY"]);
  const early = await connect(edge, await auth(customer));
  edge.hub.follows();
  await early.told(1);
});

test("nothing holds a stream that has ended", async () => {
  const edge = open();
  for (let round = 0; round < 20; round += 1) {
    const clients = await Promise.all([own(edge), own(edge), all(edge)]);
    for (const { socket } of clients) socket.close();
    await Promise.all(clients.map(({ ended }) => ended));
  }
  await eventually(() => expect(edge.hub.size).toBe(0));
  const metrics = (await edge.app.inject("/metrics")).body;
  assert.match(metrics, /^vigie_stream_connections 0$/m);
  assert.equal(edge.hub.wants("acme|u-1|s-1"), false);
});

test("a stop says goodbye and does not wait", async () => {
  const edge = testEdge({ auth: issuerAuth });
  const client = await own(edge);
  await edge.app.close();
  assert.equal((await client.ended)[0], 1_001);
});

test("without a handshake the route says what is wrong, elsewhere a handshake is a plain request", async () => {
  const edge = open();
  const response = await edge.app.inject("/v1/stream");
  assert.equal(response.statusCode, 400);
  assert.equal(response.json().code, "VIG_REQUEST_INVALID");
  assert.equal(await handshake(edge, { path: "/livez" }), 200);
  const { paths } = (await edge.app.inject("/docs/json")).json();
  assert.match(paths["/v1/stream"].get.summary, /WebSocket/);
});
