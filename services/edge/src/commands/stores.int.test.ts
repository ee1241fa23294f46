import assert from "node:assert/strict";
import { SessionName } from "@vigie/core/keys";
import { noOutages } from "@vigie/core/outages";
import { defaultPolicy } from "@vigie/core/policy";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { memoryOutput } from "@vigie/service-kit/output/memory-output";
import { DenialBook } from "@vigie/service-kit/sessions/denial-book";
import { memoryView } from "@vigie/service-kit/sessions/memory-view";
import { postgresSessions } from "@vigie/service-kit/sessions/postgres-sessions";
import { createSessionView } from "@vigie/service-kit/sessions/session-view";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addPerson, ids, sessionRow } from "../inventory/test-tables.ts";
import { NOW_MS } from "../test-edge.ts";
import { createCommander } from "./commander.ts";
import { createOutcomes } from "./outcomes.ts";
import { commandEdge } from "./test-processor.ts";
import { ADMIN, call, ME, TENANT, type TestStores, testStores } from "./test-stores.ts";

let tables: TestStores;
beforeAll(async () => {
  tables = await testStores();
});
afterAll(() => tables.close());
beforeEach(() => tables.clear());

/** What the tables say, with nothing denied. */
function viewOfTables() {
  const rows = postgresSessions(tables.edge);
  return createSessionView({
    stores: [rows],
    book: new DenialBook(() => NOW_MS),
    isBookCurrent: () => true,
    ends: { isCurrent: () => true },
    policyOf: () => defaultPolicy,
    outagesOf: () => noOutages,
    ownerOf: rows.ownerOf,
    clock: () => NOW_MS,
  });
}

describe("ids as lists show them", () => {
  test("SES-18: a session is asked for by its name, by which it can be denied, or looked up by either id", async () => {
    await tables.addSessions();
    const view = viewOfTables();
    const [live, ended] = ["s-2", "s-5"].map((key) => uuidOf(TENANT, "session", key));
    const kinds = async (ids: readonly (string | undefined)[]) =>
      Promise.all(
        ids.map(async (id = "") => (await view.resolve(new SessionName(TENANT, "usr_1", id))).kind),
      );
    assert.deepEqual(await kinds(["s-2", "s-5", live, ended]), [
      "live",
      "ended",
      "unknown",
      "unknown",
    ]);
    for (const id of ["s-2", live ?? ""]) {
      const answer = await view.resolveById(TENANT, id);
      assert.ok(answer.kind === "live");
      assert.deepEqual([answer.session.userId, answer.session.sessionId], ["usr_1", "s-2"]);
    }
  });

  test("REV-01: a session, a device and a user are found by their UUIDs too", async () => {
    await tables.addSessions();
    const [first, second] = ["s-1", "s-2"].map((key) => uuidOf(TENANT, "session", key));
    await tables.insert("user_sessions", [sessionRow({ session: "s-me" })]);
    const edge = tables.edgeOn({ view: viewOfTables() });
    const own = await call(edge, {
      method: "DELETE",
      url: `/api/v1/users/me/sessions/${second}`,
      claims: ME,
    });
    assert.equal(own.statusCode, 200, own.body);
    const all = "/api/v1/users/me/sessions/terminate-all";
    await call(edge, { url: all, claims: ME, payload: { except_session_id: first } });
    const device = uuidOf(TENANT, "device", "d-1");
    await call(edge, { url: `/api/id/devices/${device}/revoke`, claims: ME });
    const payload = { filter: { user_id: uuidOf(TENANT, "user", "usr_2") } };
    await call(edge, { payload, claims: { ...ADMIN, sid: undefined } });
    expect(edge.commands).toMatchObject([
      { session_id: "s-2", user_id: "usr_1" },
      { kind: "REVOKE_ALL", keep_session_id: "s-1", user_id: "usr_1" },
      { device_id: "d-1", user_id: "usr_1" },
      { kind: "REVOKE_ALL", user_id: "usr_2" },
    ]);
  });

  test("REV-03: an administrator's session, and the one to spare, too", async () => {
    await tables.addSessions();
    const edge = tables.edgeOn();
    const user_id = uuidOf(TENANT, "user", "usr_1");
    const session = uuidOf(TENANT, "session", "s-2");
    await call(edge, { payload: { filter: { user_id, session_id: session } } });
    await call(edge, { payload: { filter: { user_id }, keep_session_id: session } });
    // Another person's session is none of this one's.
    await call(edge, {
      payload: { filter: { user_id, session_id: uuidOf(TENANT, "session", "s-3") } },
    });
    assert.ok(edge.audit.entries.every(({ subjectUserId }) => subjectUserId === "usr_1"));
    expect(edge.commands).toMatchObject([
      { kind: "REVOKE_SESSION", session_id: "s-2", user_id: "usr_1" },
      { kind: "REVOKE_ALL", keep_session_id: "s-2", user_id: "usr_1" },
      { kind: "REVOKE_SESSION", session_id: uuidOf(TENANT, "session", "s-3") },
    ]);
  });

  test("REV-15: somebody else's session, of the tenant or of another, is not found", async () => {
    await tables.addSessions();
    const asked = ["s-3", "s-7", "s-8"].flatMap((key) => [
      key,
      uuidOf(TENANT, "session", key),
      uuidOf("other", "session", key),
    ]);
    const unknown = new Map(asked.map((id) => [id, { kind: "unknown" as const }]));
    const edge = tables.edgeOn({ view: memoryView(unknown) });
    for (const id of asked) {
      const response = await call(edge, { url: `/api/id/sessions/${id}/revoke`, claims: ME });
      assert.equal(response.statusCode, 404, id);
    }
    assert.deepEqual(edge.commands, []);
  });
});

describe("what PostgreSQL knows of commands", () => {
  const command = (id: string, row: object) => ({
    id: nameUuid(TENANT, "command", id),
    ...ids(TENANT, "usr_1"),
    user_key: "usr_1",
    command_id: id,
    batch_id: "b-1",
    noted_at: new Date(NOW_MS).toISOString(),
    ...row,
  });
  const done = {
    decided_at: new Date(NOW_MS).toISOString(),
    revoked_session_keys: ["s-1", "s-2"],
    already_ended: 3,
  };

  test("is asked when this edge has not heard of them", async () => {
    await addPerson(tables, TENANT, "usr_1");
    await tables.insert("session_commands", [command("c-1", done)]);
    await tables.insert("session_commands", [command("c-2", {})]);
    const edge = tables.edgeOn();
    const stateOf = (id: string, claims: Record<string, unknown> = ME) =>
      call(edge, { method: "GET", url: `/api/id/commands/${id}`, claims });
    expect((await stateOf("c-1")).json()).toMatchObject({
      status: "done",
      terminated_count: 2,
      already_ended: 3,
    });
    assert.equal((await stateOf("c-2")).statusCode, 202);
    assert.equal((await stateOf("c-1", { ...ME, sub: "usr_2" })).statusCode, 404);
    assert.equal((await stateOf("c-1", { ...ADMIN, tenant_id: "other" })).statusCode, 404);

    assert.deepEqual(edge.audit.entries, [], "who asks for their own is not put on record");
    assert.equal(edge.audit.refusals.length, 1);
    assert.equal((await stateOf("c-1", ADMIN)).statusCode, 200);
    const read = { action: "command.read", subjectUserId: "usr_1", payload: { command_id: "c-1" } };
    expect(edge.audit.entries).toMatchObject([read]);
    const away = { ...edge.audit, record: () => Promise.reject(new Error("away")) };
    const unheard = await call(tables.edgeOn({ audit: away }), {
      method: "GET",
      url: "/api/id/commands/c-1",
    });
    assert.equal(unheard.statusCode, 500, "what cannot be put on record is not told");

    const batch = await call(edge, { method: "GET", url: "/api/id/admin/batches/b-1" });
    const counted = { batch_id: "b-1", commands: 2, decided: 1, terminated_count: 2 };
    assert.deepEqual(batch.json(), counted);
    const foreign = { ...ADMIN, tenant_id: "other" };
    const other = await call(edge, {
      method: "GET",
      url: "/api/id/admin/batches/b-1",
      claims: foreign,
    });
    assert.equal(other.statusCode, 404);
  });

  test("REV-12: what they tell is denied before it is answered", async () => {
    await addPerson(tables, TENANT, "usr_1");
    await tables.insert("session_commands", [command("c-1", done)]);
    const book = new DenialBook(() => NOW_MS);
    const commander = createCommander({
      output: memoryOutput(),
      codecs: memoryCodecs(),
      clock: () => NOW_MS,
      database: tables.edge,
      outcomes: createOutcomes(book),
      commandWaitMs: 1,
    });
    const result = await commander.outcome({
      commandId: "c-1",
      tenantId: TENANT,
      userId: "usr_1",
      target: { kind: "all", keepSessionId: null },
      reason: "user_request",
      actor: { type: "USER", id: "usr_1", impersonator_id: null, ip: null, user_agent: null },
    });
    const [revoked = ""] = result?.revoked_session_ids ?? [];
    assert.notEqual(book.revocationOf(new SessionName(TENANT, "usr_1", revoked)), null);
  });
});

test("CNF-29: cleanup-expired ends the caller's own sessions that have run out, and no others", async () => {
  await tables.addSessions();
  await tables.insert("user_sessions", [
    sessionRow({ user: "usr_2", session: "s-9", lastSeenMs: -7_200_000 }),
    // Past the end that its row tells, and living: an outage has moved its end.
    sessionRow({ session: "s-10", lastSeenMs: -7_200_000 }),
  ]);
  const over = { kind: "ended", status: "IDLE_EXPIRED" } as const;
  const view = memoryView(new Map([["s-6", over]]));
  const edge = commandEdge({ usr_1: ["s-6", "s-10"] }, { database: tables.edge, view });
  const url = "/api/v1/users/me/sessions/cleanup-expired";
  const response = await call(edge, { url, claims: ME });
  assert.equal(response.statusCode, 200, response.body);
  assert.deepEqual(response.json(), { cleaned_count: 1, pending_count: 0 });
  expect(edge.commands).toMatchObject([
    { kind: "REVOKE_SESSION", session_id: "s-6", user_id: "usr_1", reason: "cleanup_expired" },
  ]);
});

describe("acknowledgements", () => {
  const iso = (ms: number): string => new Date(ms).toISOString();
  const revocation = (id: string, atMs: number, tenant = TENANT) => ({
    id: nameUuid(tenant, "revocation", id),
    ...ids(tenant, "usr_1"),
    session_id: uuidOf(tenant, "session", "s-1"),
    revocation_id: id,
    revoked_at: iso(atMs),
    reason: "admin",
    actor_type: "ADMIN",
    actor_id: "admin-1",
  });
  const ack = (id: string, point: string, atMs: number, delayMs: number) => ({
    tenant_id: tenantUuid(TENANT),
    revocation: nameUuid(TENANT, "revocation", id),
    enforcement_point: point,
    revocation_id: id,
    acted_at: iso(atMs),
    delay_ms: delayMs,
  });
  const report = (url: string, claims: Record<string, unknown> = ADMIN, edge = tables.edgeOn()) =>
    call(edge, { method: "GET", url: `/api/id/admin/revocations/${url}`, claims });

  test("of a revocation are shown with who is silent; another tenant's is not found", async () => {
    await addPerson(tables, TENANT, "usr_1");
    await tables.insert("session_revocations", [revocation("r-1", NOW_MS - 60_000)]);
    await tables.insert("session_revocation_acks", [ack("r-1", "pay", NOW_MS - 59_900, 100)]);
    const edge = tables.edgeOn();
    const response = await report("r-1", ADMIN, edge);
    assert.equal(response.statusCode, 200, response.body);
    expect(response.json()).toMatchObject({
      revocation_id: "r-1",
      is_complete: false,
      objective_ms: 1_000,
      points: [
        { enforcement_point: "eats", acted_at: null, is_late: true },
        { enforcement_point: "pay", delay_ms: 100, is_late: false },
      ],
    });
    const subjectUserId = uuidOf(TENANT, "user", "usr_1");
    expect(edge.audit.entries).toMatchObject([{ action: "revocation.read", subjectUserId }]);
    assert.equal((await report("r-2")).statusCode, 404);
    assert.equal((await report("r-1", { ...ADMIN, tenant_id: "other" })).statusCode, 404);
  });

  test("give p50 and p99 by enforcement point, and who has not answered", async () => {
    await addPerson(tables, TENANT, "usr_1");
    const atMs = NOW_MS - 3_600_000;
    const names = Array.from({ length: 100 }, (_, i) => `r-${i}`);
    await tables.insert("session_revocations", [
      ...names.map((name) => revocation(name, atMs)),
      revocation("r-old", NOW_MS - 90_000_000),
      revocation("r-new", NOW_MS - 10),
    ]);
    await tables.insert("session_revocation_acks", [
      ...names.map((name, i) => ack(name, "pay", atMs + 10 * i, 10 * (i + 1))),
      ack("r-1", "eats", atMs + 2_000, 2_000),
      ack("r-old", "pay", NOW_MS - 89_000_000, 900_000),
    ]);
    const response = await report("latency");
    assert.equal(response.statusCode, 200, response.body);
    const [eats, pay] = response.json().points;
    expect(eats).toMatchObject({ enforcement_point: "eats", acks: 1, late: 1, unanswered: 99 });
    expect(pay).toMatchObject({ acks: 100, late: 0, unanswered: 0, p50_ms: 505 });
    assert.ok(pay.p99_ms > 980 && pay.p99_ms < 1_000);
    const longer = (await report("latency?hours=48")).json();
    assert.equal(longer.points[1].acks, 101);
    assert.equal((await report("latency?hours=0")).statusCode, 400);
    assert.equal((await report("latency?hour=1")).statusCode, 400);
  });
});
