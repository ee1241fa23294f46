import assert from "node:assert/strict";
import type {
  AuditEvent,
  HeartbeatEvent,
  SessionCommandResult,
  SessionRevoked,
} from "@vigie/schemas/types";
import { uuidOf } from "@vigie/service-kit/ids";
import { afterAll, beforeAll, test } from "vitest";
import { allServices, TENANT } from "./support/pipeline.ts";
import { createService, type ServiceProcess } from "./support/processes.ts";
import { count, sessionRow, values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

/** Revocations by HTTP through all of Vigie, with two edges. */

const { pipeline } = await testPipeline(allServices, { ENFORCEMENT_POINTS: "pay,eats" });
const second = await createService({
  name: "edge",
  env: { ...pipeline.env, INSTANCE_ID: "second" },
  directory: `${pipeline.directory}/state`,
});
beforeAll(() => second.start());
afterAll(() => second.kill());
const edges: readonly ServiceProcess[] = [pipeline.service("edge"), second];

interface Call {
  readonly method?: string;
  readonly edge?: number;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly body?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

async function call(path: string, { method = "POST", edge = 0, ...more }: Call = {}) {
  const { claims = {}, body, headers = {} } = more;
  const response = await fetch(`${edges[edge]?.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${pipeline.token(claims)}`,
      ...(typeof body === "object" && { "content-type": "application/json" }),
      ...headers,
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

const person = (userId: string, sessionId: string) => ({
  sub: userId,
  sid: sessionId,
  user_type: "EXTERNAL",
  scope: "",
});
const ADMIN = { sub: "console", client_id: "console", scope: "id:admin" };

/** What stands for a user in the audit. */
const REF_OF = "(select ref from audit_subjects where user_id =";

/** Begins sessions and waits until they are stored. */
async function begin(userId: string, sessionIds: readonly string[], more: object = {}) {
  for (const session_id of sessionIds) {
    const { status } = await call("/v1/events/login", {
      body: {
        user_id: userId,
        occurred_at: new Date().toISOString(),
        kind: "AUTH_SUCCESS",
        session_id,
        channel: "WEB",
        user_type: "EXTERNAL",
        ...more,
      },
    });
    assert.equal(status, 202);
  }
  for (const id of sessionIds) await until(`${id} is stored`, () => sessionRow(pipeline, id));
}

async function isActive(userId: string, sessionId: string, edge: number): Promise<boolean> {
  const { status, body } = await call("/oauth2/introspect", {
    edge,
    claims: { sub: "pay", client_id: "pay", scope: "id:introspect" },
    body: new URLSearchParams({ token: pipeline.token(person(userId, sessionId)) }).toString(),
    headers: { "content-type": "application/x-www-form-urlencoded" },
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.active === true;
}

const revokedOf = async (userId: string): Promise<SessionRevoked[]> =>
  (await values<SessionRevoked>(pipeline, "id.session.revoked")).filter(
    (each): each is SessionRevoked => each?.user_id === userId,
  );

const statusOf = async (sessionId: string): Promise<string | undefined> =>
  (await sessionRow(pipeline, sessionId))?.status;

test("REV-01, REV-11, REV-14: a revoked session is dead at the other edge, on the topic and in the tables", async () => {
  await begin("u-own", ["own-1", "own-2"]);
  assert.equal(await isActive("u-own", "own-2", 1), true);
  const claims = person("u-own", "own-1");
  const answer = await call("/api/id/sessions/own-2/revoke", { claims, body: { reason: "lost" } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(answer.body.terminated_count, 1);
  assert.equal(await isActive("u-own", "own-2", 0), false, "at once where it was answered");
  await untilTrue(
    "introspection says inactive",
    async () => !(await isActive("u-own", "own-2", 1)),
    2_000,
  );
  assert.equal(await isActive("u-own", "own-1", 1), true);
  await untilTrue("it is stored as revoked", async () => (await statusOf("own-2")) === "REVOKED");
  const row = await sessionRow(pipeline, "own-2");
  assert.deepEqual([row?.is_active, row?.termination_reason], [false, "lost"]);
  const [revoked] = await revokedOf("u-own");
  assert.equal(revoked?.session_id, "own-2");
  const dead = await call("/api/id/sessions/revoke_all", {
    claims: person("u-own", "own-2"),
    edge: 1,
  });
  assert.deepEqual([dead.status, dead.body.code], [401, "VIG_SESSION_ENDED"]);

  const foreign = await call("/api/id/sessions/own-1/revoke", {
    claims: { ...claims, sub: "u-other", sid: undefined },
  });
  assert.equal(foreign.status, 404);
  await until("it is audited with its actor", async () => {
    const { status, body } = await call("/api/id/admin/audit?action=session.revoked&actor=u-own", {
      method: "GET",
      claims: { ...ADMIN, scope: "id:audit" },
    });
    assert.equal(status, 200, JSON.stringify(body));
    const [entry] = body.entries as {
      readonly actor: { readonly type: string };
      readonly persons: readonly { readonly data: Readonly<Record<string, unknown>> }[];
    }[];
    const [person] = entry?.persons ?? [];
    return entry?.actor.type === "USER" && person?.data.ip === "127.0.0.1" ? entry : null;
  });
});

test("REV-01, REV-07, REV-09, SES-17: a session is validated, revoked and spared by the id that its list shows", async () => {
  const ids = ["listed-1", "listed-2", "listed-3", "listed-4"];
  await begin("u-listed", ids);
  const claims = person("u-listed", "listed-1");
  const listed = async (): Promise<string[]> => {
    const { body } = await call("/api/id/sessions/me", { method: "GET", claims });
    return (body.sessions as { session_id: string }[]).map(({ session_id }) => session_id);
  };
  const isValid = async (session_id: string): Promise<unknown> => {
    const service = { sub: "pay", client_id: "pay", scope: "id:introspect events:write" };
    const body = { session_id, update_activity: true };
    return (await call("/api/id/sessions/validate", { claims: service, body, edge: 1 })).body
      .active;
  };
  const [, two = "", three = "", four = ""] = ids.map((id) => uuidOf(TENANT, "session", id));
  const own = "/api/v1/users/me/sessions";
  // What was waited for is in PostgreSQL; Redis is filled beside it.
  await untilTrue("both are valid", async () => {
    return (await isValid("listed-2")) === true && (await isValid(three)) === true;
  });
  const revoked = [
    await call(`/api/id/sessions/${two}/revoke`, { claims }),
    await call(`${own}/${three}`, { method: "DELETE", claims }),
  ];
  for (const { status, body } of revoked) {
    assert.deepEqual([status, body.terminated_count], [200, 1], JSON.stringify(body));
  }
  await untilTrue("neither is valid any more", async () => {
    return !(await isValid("listed-2")) && !(await isValid(three));
  });
  const seen = (await values<HeartbeatEvent>(pipeline, "id.heartbeat")).map(
    (each) => each?.session_id,
  );
  assert.ok(seen.includes("listed-2") && seen.includes("listed-3"), "under its name, by either id");
  assert.deepEqual((await listed()).sort(), [uuidOf(TENANT, "session", "listed-1"), four].sort());
  const rest = await call(`${own}/terminate-all`, { claims, body: { except_session_id: four } });
  assert.deepEqual([rest.status, rest.body.terminated_count], [200, 1]);
  assert.equal(await isActive("u-listed", "listed-1", 0), false);
  assert.equal(await isActive("u-listed", "listed-4", 0), true);
});

test("REV-05: one call 50 times at once over two edges has one effect, one result, one audit record", async () => {
  await begin("u-fifty", ["fifty-1", "fifty-2", "fifty-3"]);
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      call("/api/id/sessions/revoke_all", {
        edge: n % 2,
        claims: person("u-fifty", "fifty-1"),
        headers: { "idempotency-key": "fifty" },
      }),
    ),
  );
  const bodies = new Set(answers.map(({ body }) => JSON.stringify(body)));
  assert.equal(bodies.size, 1, [...bodies].join("\n"));
  assert.equal(answers[0]?.body.terminated_count, 2);
  const results = (
    await values<SessionCommandResult>(pipeline, "id.session.command.result")
  ).filter((each) => each?.user_id === "u-fifty");
  assert.equal(results.length, 1);
  assert.equal((await revokedOf("u-fifty")).length, 2);
  const audits = (await values<AuditEvent>(pipeline, "id.audit")).filter(
    (each) => each?.subject_user_id === "u-fifty",
  );
  assert.deepEqual(
    audits.map((each) => each?.action),
    ["sessions.revoked"],
  );
  const id = answers[0]?.body.command_id;
  await untilTrue("what it did is stored", async () => {
    const where = "session_commands where command_id = $1 and decided_at is not null";
    return (await count(pipeline, where, [id])) === 1;
  });
});

test("REV-03: an administrator counts, then revokes a user; both are on record", async () => {
  await begin("u-admin", ["admin-1", "admin-2"]);
  const path = "/api/id/admin/sessions/revoke";
  const filter = { user_id: "u-admin" };
  const counted = await call(path, { claims: ADMIN, body: { filter, dry_run: true } });
  assert.deepEqual([counted.status, counted.body.sessions], [200, 2]);
  const revoked = await call(path, { claims: ADMIN, body: { filter, reason: "fraud" } });
  assert.deepEqual([revoked.status, revoked.body.terminated_count], [200, 2]);
  const again = await call(path, { claims: ADMIN, body: { filter, dry_run: true } });
  assert.equal(again.body.sessions, 0);
  await untilTrue("all three calls and the deed are audited", async () => {
    const where = `audit_log where actor_ref = ${REF_OF} $1) and subject_ref = ${REF_OF} $2)`;
    const users = ["console", "u-admin"].map((user) => uuidOf(TENANT, "user", user));
    return (await count(pipeline, where, users)) === 4;
  });
});

test("REV-03, REV-12: an organisation is signed out by one record, at once and everywhere", async () => {
  await begin("u-org-1", ["org-1"], { org_id: "shop" });
  await begin("u-org-2", ["org-2"], { org_id: "shop" });
  await begin("u-org-3", ["org-3"], { org_id: "bank" });
  const answer = await call("/api/id/admin/sessions/revoke", {
    claims: ADMIN,
    body: { filter: { org_id: "shop" }, reason: "breach" },
  });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(await isActive("u-org-1", "org-1", 0), false, "at once where it was answered");
  for (const edge of [0, 1]) {
    await untilTrue(
      "introspection says inactive",
      async () => !(await isActive("u-org-1", "org-1", edge)),
      2_000,
    );
    assert.equal(await isActive("u-org-3", "org-3", edge), true);
  }
  for (const id of ["org-1", "org-2"]) {
    await untilTrue(
      `${id} is stored as revoked`,
      async () => (await statusOf(id)) === "REVOKED",
      60_000,
    );
  }
  assert.equal(await statusOf("org-3"), "ACTIVE");
  const [revoked] = await revokedOf("u-org-2");
  assert.equal(revoked?.epoch_id, answer.body.epoch_id);
});

test("REV-03: a country is looked up, and each session found has its command", async () => {
  await begin("u-land-1", ["land-1"], { location: { source: "IP", country: "ML" } });
  await begin("u-land-2", ["land-2"], { location: { source: "IP", country: "ML" } });
  const answer = await call("/api/id/admin/sessions/revoke", {
    claims: ADMIN,
    body: { filter: { country: "ML" } },
  });
  assert.deepEqual([answer.status, answer.body.commands], [202, 2]);
  const location = String(answer.headers.get("location"));
  await untilTrue("the batch is done", async () => {
    const { body } = await call(location, { method: "GET", claims: ADMIN });
    return body.decided === 2 && body.terminated_count === 2;
  });
});

test("an enforcement point acknowledges, and who has not is shown", async () => {
  await begin("u-ack", ["ack-1", "ack-2"]);
  await call("/api/id/sessions/ack-2/revoke", { claims: person("u-ack", "ack-1") });
  const revoked = await until("it is published", async () => (await revokedOf("u-ack"))[0]);
  const acked = await call(`/api/id/revocations/${revoked.revocation_id}/ack`, {
    claims: { sub: "pay", client_id: "pay", scope: "revocations:ack" },
  });
  assert.equal(acked.status, 202, JSON.stringify(acked.body));
  const path = `/api/id/admin/revocations/${revoked.revocation_id}`;
  const points = await until("the acknowledgement is stored", async () => {
    const { status, body } = await call(path, { method: "GET", claims: ADMIN });
    const all = body.points as { enforcement_point: string; acted_at: string | null }[];
    return status === 200 && all.some(({ acted_at }) => acted_at !== null) ? all : null;
  });
  assert.deepEqual(
    points.map(({ enforcement_point, acted_at }) => [enforcement_point, acted_at !== null]),
    [
      ["eats", false],
      ["pay", true],
    ],
  );
  const other = await call(path, { method: "GET", claims: { ...ADMIN, tenant_id: "other" } });
  assert.equal(other.status, 404);
  const latency = await call("/api/id/admin/revocations/latency", { method: "GET", claims: ADMIN });
  assert.equal(latency.status, 200);
});

test("AUD-01, SUB-01: refusals are on record, and a stopped edge leaves a closed series without a hole", async () => {
  const refused = await call("/api/id/sessions/own-1/revoke", {
    edge: 1,
    claims: { sub: "pay", client_id: "pay", scope: "id:introspect" },
  });
  assert.equal(refused.status, 403);
  const { code } = (await edges[1]?.terminate()) ?? { code: null };
  assert.equal(code, 0);
  const where = "audit_log where emitter like 'edge.second.%'";
  await untilTrue(
    "the series is closed",
    async () => (await count(pipeline, `${where} and action = 'audit.series_closed'`)) === 1,
  );
  const { rows } = await pipeline.database.query<{
    seq: number;
    action: string;
    tenant_key: string;
  }>(`select emitter_seq::int as seq, action, tenant_key from ${where} order by emitter_seq`);
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    rows.map((_, n) => n + 1),
  );
  assert.deepEqual(rows.at(-1)?.action, "audit.series_closed");
  assert.ok(
    rows.some(({ action, tenant_key }) => action === "access.denied" && tenant_key === TENANT),
  );
});
