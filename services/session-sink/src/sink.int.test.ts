import assert from "node:assert/strict";
import { type Logger, silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { sampleMfa } from "@vigie/schemas/samples";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { onTestFinished, test } from "vitest";
import { warnOfMissingSessions } from "./missing-sessions.ts";
import { activityPartitions } from "./partitions.ts";
import { NOW, type TestSink, testSink } from "./test-sink.ts";
import { anomaly, revoked } from "./testing.ts";

const SESSION = uuidOf("molam-sn", "session", "s-1");

const at = await testSink();

const write: TestSink["write"] = (records, to) => at.write(records, to);
const rowsOf: TestSink["rows"] = (text) => at.rows(text);
const login: TestSink["login"] = (over) => at.login(over);
const heartbeat: TestSink["heartbeat"] = (over) => at.heartbeat(over);
const state: TestSink["state"] = (over) => at.state(over);

test("SES-21, SES-24: a session becomes a row, with its tenant, user and device", async () => {
  await write([state()]);
  const [row] = await rowsOf("select * from sessions");
  assert.equal(row?.id, SESSION);
  assert.equal(row?.tenant_id, tenantUuid("molam-sn"));
  assert.equal(row?.session_key, "s-1");
  assert.equal(row?.is_active, true);
  assert.deepEqual(row?.created_at, new Date(NOW));
  assert.deepEqual(row?.client_info, { browser: "Chrome", os: "Android" });
  const [stub] = await rowsOf("select external_id, is_stub from users");
  assert.deepEqual(stub, { external_id: "u-1", is_stub: true });
  assert.equal((await rowsOf("select 1 from user_devices")).length, 1);
});

test("only a newer version replaces a session, in one batch and over several", async () => {
  await write([state({ version: 5, city: "Thiès" })]);
  await write([state({ version: 4, city: "Kaolack" }), state({ version: 3 })]);
  assert.equal((await rowsOf("select city from sessions"))[0]?.city, "Thiès");
  await write([state({ version: 6, city: "Louga" }), state({ version: 5 })]);
  assert.equal((await rowsOf("select city from sessions"))[0]?.city, "Louga");
});

test("ACT-01: every kind of the core document appears in molam_session_activity, each event once", async () => {
  const mfa = { ...sampleMfa, occurred_at: NOW, user_id: "u-1" };
  const records = [
    login(),
    login({ event_id: "e-fail", kind: "AUTH_FAIL", session_id: null }),
    login({ event_id: "e-out", kind: "LOGOUT" }),
    heartbeat(),
    at.maker.record("id.mfa", { ...mfa, event_id: "e-ask", kind: "CHALLENGE" }),
    at.maker.record("id.mfa", { ...mfa, event_id: "e-no", kind: "FAIL" }),
    at.maker.record("id.session.anomaly", anomaly(NOW)),
    at.maker.record("id.session.revoked", revoked(NOW)),
  ];
  await write(records);
  await write([login(), heartbeat()]);
  const kinds = await rowsOf(
    "select kind, count(*) from molam_session_activity group by 1 order by 1",
  );
  assert.deepEqual(
    kinds.map(({ kind, count }) => `${kind} ${count}`),
    [
      "ANOMALY 1",
      "AUTH_FAIL 1",
      "AUTH_SUCCESS 1",
      "HEARTBEAT 1",
      "LOGOUT 1",
      "MFA_CHALLENGE 1",
      "MFA_FAIL 1",
      "REVOKE 1",
    ],
  );
  assert.deepEqual(
    at.told.map((event) => event.rows.activities),
    [8, 0],
  );
  assert.deepEqual(
    at.told.map((event) => [...event.rows.anomalies]),
    [[["impossible_travel", 1]], []],
  );
  assert.deepEqual(
    at.told.map((event) => [...event.rows.revocations]),
    [[["user", 1]], []],
  );
});

test("an activity before its session waits on a stub that the session replaces and no view shows", async () => {
  await write([heartbeat()]);
  assert.deepEqual(await rowsOf("select 1 from sessions"), []);
  const [stub] = await rowsOf("select status, is_active, version from user_sessions");
  assert.deepEqual(stub, { status: "PENDING", is_active: false, version: 0 });
  await write([state()]);
  const rows = await rowsOf(
    "select s.status, a.activity_type from sessions s join session_activities a on a.session_id = s.id",
  );
  assert.deepEqual(rows, [{ status: "ACTIVE", activity_type: "heartbeat" }]);
});

test("a tombstone deletes the session and, by cascade, its activities", async () => {
  await write([state(), heartbeat()]);
  await write([at.maker.raw("id.session.state", { key: "molam-sn|u-1|s-1" })]);
  assert.deepEqual(await rowsOf("select 1 from user_sessions"), []);
  assert.deepEqual(await rowsOf("select 1 from session_activities"), []);
  await write([heartbeat({ event_id: "e-late" })]);
  assert.equal((await rowsOf("select 1 from session_activities")).length, 1);
});

test("late events up to 30 days find their day, and retention drops days as a whole", async () => {
  await write([heartbeat({ occurred_at: NOW - 29 * DAY_MS })]);
  await write([heartbeat({ event_id: "e-new" })]);
  const partitions = activityPartitions(at.database);
  await partitions.ensureAhead(NOW);
  assert.equal(await partitions.dropOlderThan(20, NOW), 1);
  assert.equal((await rowsOf("select 1 from session_activities")).length, 1);
  const days = await rowsOf(
    "select relid from pg_partition_tree('session_activities') where isleaf",
  );
  assert.ok(days.length >= 3);
});

test("the offsets of what was written are stored with it, and reading resumes from them", async () => {
  const inputs = [
    { topic: "id.heartbeat", partition: 0 },
    { topic: "id.login", partition: 0 },
  ];
  const resume = async () => (await at.createSink().assigned(inputs)).map((each) => each.offset);
  assert.deepEqual(await resume(), [null, null]);
  await write([heartbeat(), heartbeat({ event_id: "e-2" }), login()]);
  assert.deepEqual(await resume(), [2, 1]);
  await at.sink.write([], [{ topic: "id.login", partition: 0, from: 1, offset: 7 }]);
  assert.deepEqual(await resume(), [2, 7]);
});

test("an owner that was overtaken writes only what is not in the store yet", async () => {
  const records = [heartbeat(), heartbeat({ event_id: "e-2" }), heartbeat({ event_id: "e-3" })];
  await write(records.slice(0, 2));
  const slow = at.createSink();
  await write(records, slow);
  assert.equal((await rowsOf("select 1 from session_activities")).length, 3);
  assert.equal(at.told.at(-1)?.rows.activities, 1);
  await write(records.slice(0, 1), slow);
  const [stored] = await rowsOf("select next_offset from sink_offsets");
  assert.equal(stored?.next_offset, 3);
});

test("a store that lost what it held is filled again from where it is", async () => {
  await write([heartbeat(), heartbeat({ event_id: "e-2" })]);
  await at.owner.query("update sink_offsets set next_offset = 1");
  const said = await write([heartbeat({ event_id: "e-3" })]);
  assert.deepEqual(said, { rewind: [{ topic: "id.heartbeat", partition: 0, offset: 1 }] });
  assert.equal((await rowsOf("select 1 from session_activities")).length, 2);
});

test("garbage goes to the dead letters, once, and the rest of the batch is written", async () => {
  const garbage = at.maker.raw("id.login", { value: Buffer.from("garbage") });
  const batch = [heartbeat(), garbage, login({ kind: "UNKNOWN" }), login({ event_id: "e-2" })];
  await write(batch);
  assert.deepEqual(
    at.dead.map(({ record, code }) => [record, code]),
    [[garbage, "VIG_RECORD_NOT_AVRO"]],
  );
  assert.equal((await rowsOf("select 1 from session_activities")).length, 2);
  const tally = {
    consumed: 4,
    ok: 2,
    redirected: 0,
    dropped: { unknown_kind: 1 },
    dlq: { VIG_RECORD_NOT_AVRO: 1 },
  };
  assert.deepEqual(at.told.at(-1)?.tally, tally);
});

test("a record that PostgreSQL refuses is found and buried, and the rest is written", async () => {
  // No jsonb takes NUL.
  const evidence = { note: "\u0000" };
  const bad = at.maker.record("id.session.anomaly", anomaly(NOW, { anomaly_id: "a-9", evidence }));
  const many = Array.from({ length: 20 }, (_, i) => heartbeat({ event_id: `e-${i}` }));
  await write([...many.slice(0, 13), bad, ...many.slice(13)]);
  assert.deepEqual(
    at.dead.map(({ record, code }) => [record.offset, code]),
    [[bad.offset, "VIG_ROW_REFUSED"]],
  );
  assert.equal((await rowsOf("select 1 from session_activities")).length, 20);
  assert.deepEqual(await rowsOf("select 1 from session_anomalies"), []);
  assert.equal(at.told.at(-1)?.tally.ok, 20);
});

test("rows that somebody deleted meanwhile come back as stubs", async () => {
  await write([state(), heartbeat()]);
  await at.owner.query("delete from users");
  await write([heartbeat({ event_id: "e-2" }), state({ session_id: "s-2" })]);
  assert.deepEqual(at.dead, []);
  assert.equal((await rowsOf("select 1 from session_activities")).length, 1);
  assert.equal((await rowsOf("select 1 from sessions")).length, 1);
});

test("TEN-02: a reader sees its own tenant's rows in every table and view, the sink writes nothing else", async () => {
  await write([state(), heartbeat(), login(), at.maker.record("id.session.anomaly", anomaly(NOW))]);
  await write([
    state({ tenant_id: "molam-ci" }),
    heartbeat({ tenant_id: "molam-ci" }),
    at.maker.record("id.session.revoked", revoked(NOW)),
  ]);
  const reader = at.open("vigie_reader");
  onTestFinished(() => reader.close());
  const tables = [
    "user_sessions",
    "sessions",
    "session_activities",
    "molam_session_activity",
    "session_anomalies",
    "session_revocations",
    "users",
    "user_devices",
  ];
  for (const table of tables) {
    const text = `select distinct tenant_id from ${table}`;
    const { rows } = await reader.inTenant("molam-sn", (tx) => tx.query(text));
    assert.deepEqual(rows, [{ tenant_id: tenantUuid("molam-sn") }], table);
    assert.deepEqual((await reader.query(text)).rows, [], `${table} without a tenant`);
  }
  const forbidden = [
    "update session_activities set success = true",
    "update session_anomalies set severity = 'LOW'",
    "delete from session_policy_changes",
    "update session_policy_changes set document = '{}'",
    "delete from erasures",
    "update erasure_parts set done_at = now()",
    "update users set email = 'x'",
    "select password_hash from users",
    "delete from tenants",
    "create table mine (id int)",
    "select 1 from schema_migrations",
  ];
  for (const text of forbidden)
    await assert.rejects(at.database.query(text), /permission denied/, text);
  await assert.rejects(reader.query("delete from user_sessions"), /permission denied/);
});

test("SES-22: a login without a session is warned of once, without personal data", async () => {
  const lines: unknown[] = [];
  const log: Logger = { ...silentLogger, warn: (fields, event) => lines.push([event, fields]) };
  await write([login(), login({ event_id: "e-2", session_id: "s-2" })]);
  await write([state()]);
  assert.equal(await warnOfMissingSessions(at.database, 60_000, log), 0);
  assert.equal(await warnOfMissingSessions(at.database, 0, log), 1);
  assert.equal(await warnOfMissingSessions(at.database, 0, log), 0);
  assert.deepEqual(lines, [
    ["login_without_session", { tenantId: "molam-sn", logins: 1, waitMs: 0 }],
  ]);
});
