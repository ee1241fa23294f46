import assert from "node:assert/strict";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { sampleMfa } from "@vigie/schemas/samples";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import { eventually } from "@vigie/testkit/eventually";
import { test } from "vitest";
import { NOW, testSink } from "./test-sink.ts";
import {
  anomaly,
  audited,
  command,
  commandResult,
  decision,
  epoch,
  erasure,
  policy,
  revoked,
} from "./testing.ts";

const at = await testSink();

const PERSON = "awa.diop@example.sn";
const T = NOW - DAY_MS;

/** Everything that can be known of a person, at a time. */
function lifeOf(user_id: string, ms: number): readonly SinkRecord[] {
  const { maker } = at;
  const who = { user_id };
  const actor = { type: "ADMIN", id: user_id, impersonator_id: null } as const;
  const network = { ip: null, user_agent: null };
  const times = { created_at: ms, last_seen_at: ms, version: ms };
  const session_id = `s-${user_id}-${ms}`;
  const mfa = { ...sampleMfa, occurred_at: ms, event_id: `m-${ms}`, session_id: null };
  const audit = audited(ms, { subject_user_id: user_id, event_id: `x-${ms}` });
  return [
    at.login({ ...who, occurred_at: ms, session_id, event_id: `l-${ms}` }),
    at.heartbeat({ ...who, occurred_at: ms, session_id, event_id: `h-${ms}` }),
    maker.record("id.mfa", { ...mfa, ...who }),
    at.state({ ...who, ...times, session_id, device_id: `d-${user_id}` }),
    maker.record("id.session.anomaly", anomaly(ms, { ...who, session_id, anomaly_id: `a-${ms}` })),
    maker.record(
      "id.session.anomaly",
      anomaly(ms, { ...who, anomaly_id: `w-${ms}`, retracts: `a-${ms}`, detected_at: ms }),
    ),
    maker.record("id.session.revoked", revoked(ms, { ...who, revocation_id: `r-${ms}` })),
    maker.record("id.session.command", command(ms, { ...who, command_id: `c-${ms}` })),
    maker.record("id.session.command.result", commandResult(ms, { ...who, command_id: `c-${ms}` })),
    maker.record("id.risk.decision", decision(ms, { ...who, decision_id: `d-${ms}` })),
    { ...maker.record("id.audit", audit), key: "edge.1.1" },
    // And what the person did to others
    maker.record(
      "id.session.command",
      command(ms, { command_id: `o-${ms}`, actor: { ...actor, ...network } }),
    ),
    maker.record("id.session.revoked", revoked(ms, { revocation_id: `o-${ms}`, actor })),
    maker.record("id.session.epoch", epoch(ms, { actor })),
    maker.record("id.session.policy", { ...policy(1, {}), actor }),
  ];
}

const erase = (ms = T, over: Parameters<typeof erasure>[1] = {}) =>
  at.maker.record("id.subject.erasure", erasure(ms, { user_id: PERSON, ...over }));

/** Every row of every table of the schema, as text. */
async function everything(): Promise<string> {
  const tables = await at.rows(
    `select relname as name from pg_class
      where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
        and not relispartition and relname not in ('sink_offsets', 'schema_migrations')
      order by 1`,
  );
  const parts: string[] = [];
  for (const { name } of tables) {
    const rows = await at.rows(`select t::text as row from "${name}" t`);
    parts.push(...rows.map(({ row }) => `${name}: ${row}`));
  }
  return parts.join("\n");
}

test("PRV-14: an erasure leaves nothing of the person in any table, and others as they were", async () => {
  await at.write([...lifeOf("u-2", T - 9), ...lifeOf(PERSON, T - 5)]);
  await at.addVerdicts();
  assert.match(await everything(), /awa\.diop/);
  const ids = await at.rows(`select id from users where external_id = '${PERSON}'`);
  await at.write([erase()]);
  const left = await everything();
  assert.doesNotMatch(left, /awa\.diop/);
  assert.doesNotMatch(left, new RegExp(String(ids[0]?.id)));
  // The other user's rows, and what was done to others, are there without a name
  const tables = [
    "sessions",
    "user_devices",
    "session_anomalies",
    "session_anomaly_verdicts",
    "session_risk_decisions",
  ];
  for (const table of tables) assert.equal((await at.rows(`select 1 from ${table}`)).length, 1);
  const done = await at.rows("select actor_id from session_commands order by actor_id");
  assert.deepEqual(
    done.map(({ actor_id }) => actor_id),
    ["admin-1", "erased", "u-2"],
  );
});

test("PRV-14: nor does a session leave anything whose id somebody else had", async () => {
  const at5 = { created_at: T - 5, last_seen_at: T - 5, session_id: "s-1" };
  await at.write([at.state(at5), at.state({ ...at5, user_id: PERSON })]);
  const event = "select 1 from session_security_events where kind = 'session_id_conflict'";
  assert.equal((await at.rows(event)).length, 1);
  await at.write([erase()]);
  assert.doesNotMatch(await everything(), /awa\.diop/);
});

test("PRV-14: what another member is writing at that moment is erased, too", async () => {
  /** The backend that waits for this one. */
  const waiterOn = async (pid: unknown): Promise<unknown> => {
    const text = `select pid from pg_stat_activity where ${pid} = any(pg_blocking_pids(pid))`;
    return (await at.rows(text))[0]?.pid;
  };
  // Given a member that has found nobody erased and is held up as it writes
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: holder, resolve: holding } = Promise.withResolvers<unknown>();
  const undone = at.owner.transaction(async (tx) => {
    const text =
      "insert into tenants (id, slug, name) values ($1, 'x', '') returning pg_backend_pid() as pid";
    const { rows } = await tx.query<{ pid: number }>(text, [tenantUuid("molam-sn")]);
    holding(rows[0]?.pid);
    await released;
    throw new Error("undone");
  });
  const pid = await holder;
  const writing = at.write([at.login({ user_id: PERSON, occurred_at: T - 1 })]);
  const writer = await eventually(async () => (await waiterOn(pid)) ?? assert.fail());
  // When another one erases
  const erasing = at.write([erase()], at.createSink());
  await eventually(async () => {
    const isDone = (await at.rows("select 1 from erasures")).length > 0;
    assert.ok(isDone || (await waiterOn(writer)) !== undefined);
  });
  release();
  await assert.rejects(undone, /undone/);
  await Promise.all([writing, erasing]);
  // Then nothing is left
  assert.equal((await at.rows("select 1 from erasures")).length, 1);
  assert.doesNotMatch(await everything(), /awa/);
});

test("PRV-14: the sink says that it is done, once, and a second time changes nothing", async () => {
  await at.write([...lifeOf(PERSON, T - 5), erase()]);
  const before = await everything();
  assert.doesNotMatch(before, /awa\.diop/);
  await at.write([erase()]);
  assert.equal(await everything(), before);
  const rows = await at.rows(
    "select e.erasure_id, p.part from erasures e join erasure_parts p using (tenant_id, erasure_id)",
  );
  assert.deepEqual(rows, [{ erasure_id: "x-1", part: "session-sink" }]);
});

test("what happened before the request and comes late is dropped and counted; what comes after begins anew", async () => {
  await at.write([erase()]);
  const mine = (record: SinkRecord) => record.key.includes("awa") || record.topic === "id.audit";
  const late = lifeOf(PERSON, T - 1).filter(mine);
  await at.write([...late, ...lifeOf(PERSON, T - 2).filter((record) => !mine(record))]);
  assert.doesNotMatch(await everything(), /awa\.diop/);
  assert.deepEqual(at.told.at(-1)?.tally.dropped, { erased: late.length });
  assert.equal(at.told.at(-1)?.tally.ok, 4);
  const next = lifeOf(PERSON, T + 1).filter(mine);
  await at.write(next);
  assert.equal((await at.rows("select 1 from sessions")).length, 1);
  // And the same erasure again, read a second time, takes none of it
  await at.write([erase()]);
  assert.equal((await at.rows("select 1 from sessions")).length, 1);
  assert.equal((await at.rows("select 1 from users where external_id like 'awa%'")).length, 1);
});

test("PRV-14: what came before the request goes and stays away, though its own time lies ahead", async () => {
  const ahead = T + 4 * MINUTE_MS;
  const failed = { kind: "AUTH_FAIL", event_id: "e-2", session_id: null } as const;
  const events = (arrivedMs: number) =>
    [
      at.login({ user_id: PERSON, occurred_at: ahead }),
      at.login({ ...failed, user_id: PERSON, occurred_at: ahead }),
      at.maker.record(
        "id.session.anomaly",
        anomaly(ahead, { user_id: PERSON, session_id: null, detected_at: arrivedMs }),
      ),
    ].map((record) => ({ ...record, timestampMs: arrivedMs }));
  await at.write(events(T - 1));
  await at.write([erase()]);
  assert.doesNotMatch(await everything(), /awa\.diop/);
  await at.write(events(T - 1));
  assert.doesNotMatch(await everything(), /awa\.diop/);
  assert.deepEqual(at.told.at(-1)?.tally.dropped, { erased: 3 });
  // And what comes after it begins anew
  await at.write(events(T + 1));
  await at.write([erase()]);
  assert.equal((await at.rows("select 1 from session_activities")).length, 3);
  assert.equal((await at.rows("select 1 from session_security_events")).length, 1);
});

test("PRV-14: nor does what was decided of a person stay, by clocks that were ahead of its arrival", async () => {
  const who = { user_id: PERSON };
  const ahead = T + 4 * MINUTE_MS;
  const { maker } = at;
  const records = [
    maker.record("id.session.revoked", revoked(ahead, who)),
    maker.record("id.session.command", command(ahead, who)),
    maker.record("id.session.command.result", commandResult(ahead, who)),
    maker.record("id.risk.decision", decision(ahead, who)),
    { ...maker.record("id.audit", audited(ahead, { subject_user_id: PERSON })), key: "edge.1.1" },
  ].map((record) => ({ ...record, timestampMs: T - 1 }));
  await at.write(records);
  assert.match(await everything(), /awa\.diop/);
  await at.write([erase()]);
  assert.doesNotMatch(await everything(), /awa\.diop/);
});

test("a session that began before the request and is used after it stays until its own tombstone", async () => {
  const session = { user_id: PERSON, session_id: "s-9", created_at: T - 9 };
  await at.write([at.state({ ...session, version: 1, last_seen_at: T + 9 })]);
  await at.write([erase()]);
  assert.equal((await at.rows("select 1 from sessions")).length, 1);
  await at.write([at.maker.raw("id.session.state", { key: `molam-sn|${PERSON}|s-9` })]);
  assert.equal((await at.rows("select 1 from sessions")).length, 0);
});

test("TEN-01: the same user id in another tenant is somebody else", async () => {
  const other = { user_id: PERSON, tenant_id: "molam-ci", created_at: T, last_seen_at: T };
  await at.write([
    at.state({ ...other, user_id: PERSON }),
    at.state({ ...other, tenant_id: "molam-sn" }),
  ]);
  await at.write([erase()]);
  assert.deepEqual(await at.rows("select tenant_key from sessions"), [{ tenant_key: "molam-ci" }]);
});

test("a user and a device that another service delivered are its own to erase", async () => {
  await at.write(lifeOf(PERSON, T - 5));
  await at.owner.query("update users set is_stub = false");
  await at.owner.query("update user_devices set is_stub = false");
  await at.write([erase()]);
  assert.equal((await at.rows("select 1 from sessions")).length, 0);
  assert.equal((await at.rows(`select 1 from users where external_id = '${PERSON}'`)).length, 1);
  assert.equal((await at.rows("select 1 from user_devices")).length, 1);
});

test("nobody's future is erased", async () => {
  await at.write([erase(NOW + DAY_MS)]);
  assert.deepEqual(
    at.dead.map(({ code }) => code),
    ["VIG_EVENT_AHEAD"],
  );
  assert.deepEqual(await at.rows("select 1 from erasures"), []);
});

test("PRV-14: other parts tell that they are done, before their request is read and twice, too", async () => {
  const told = at.maker.record("id.subject.erasure.part", {
    erasure_id: "x-1",
    tenant_id: "molam-sn",
    part: "detector",
    done_at: T,
  });
  await at.write([{ ...told, key: "x-1" }]);
  await at.write([{ ...told, key: "x-1" }, erase()]);
  const rows = await at.rows(
    "select part from erasures e join erasure_parts p using (tenant_id, erasure_id) order by part",
  );
  assert.deepEqual(
    rows.map(({ part }) => part),
    ["detector", "session-sink"],
  );
});

test("PRV-14: nobody says on the topic that a part is done which says so itself", async () => {
  for (const part of ["geo", "audit-sink", "edge", "session-sink", "detectors"]) {
    const told = { erasure_id: "x-2", tenant_id: "molam-sn", part, done_at: T };
    const before = at.dead.length;
    await at.write([{ ...at.maker.record("id.subject.erasure.part", told), key: "x-2" }]);
    assert.deepEqual(
      at.dead.slice(before).map(({ code }) => code),
      ["VIG_EVENT_FIELD_INVALID"],
      part,
    );
  }
  assert.deepEqual(await at.rows("select 1 from erasure_parts where erasure_id = 'x-2'"), []);
});

test("PRV-14: the revocation that an erasure brings, dated as the request, is not taken in again", async () => {
  await at.write([erase()]);
  const { maker } = at;
  const session = { user_id: PERSON, session_id: "s-1" };
  await at.write([
    maker.record("id.session.revoked", revoked(T, { ...session, reason: "erasure" })),
    maker.raw("id.session.state", { key: `molam-sn|${PERSON}|s-1` }),
  ]);
  assert.doesNotMatch(await everything(), /awa\.diop/);
});
