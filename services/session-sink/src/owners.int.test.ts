import assert from "node:assert/strict";
import { partitionOf } from "@vigie/core/keys";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { test } from "vitest";
import { NOW, testSink } from "./test-sink.ts";

const UUID = "3b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88";

const at = await testSink();

const SESSIONS = "select tenant_key, user_key, version, is_active from sessions order by 1, 2";
const conflicts = () =>
  at.rows("select user_key, kind, severity, source from session_security_events order by 1");

test("TEN-01: one UUID in two tenants is two sessions, in one batch and over several", async () => {
  await at.write([
    at.state({ session_id: UUID, version: 5 }),
    at.state({ session_id: UUID, version: 9, tenant_id: "molam-ci" }),
  ]);
  await at.write([at.state({ session_id: UUID, version: 6 })]);
  assert.deepEqual(await at.rows(SESSIONS), [
    { tenant_key: "molam-ci", user_key: "u-1", version: 9, is_active: true },
    { tenant_key: "molam-sn", user_key: "u-1", version: 6, is_active: true },
  ]);
  assert.deepEqual(await conflicts(), []);
  assert.deepEqual(at.dead, []);
});

test("a session id under two users is refused: the first one keeps it, the second is a security event", async () => {
  await at.write([at.state({ session_id: UUID, version: 5 })]);
  await at.write([at.state({ session_id: UUID, version: 9, user_id: "u-2" })]);
  await at.write([at.state({ session_id: UUID, version: 10, user_id: "u-2" })]);
  await at.write([at.state({ session_id: UUID, version: 7 })]);
  assert.deepEqual(await at.rows(SESSIONS), [
    { tenant_key: "molam-sn", user_key: "u-1", version: 7, is_active: true },
  ]);
  const event = { kind: "session_id_conflict", severity: "HIGH", source: "session-sink" };
  assert.deepEqual(await conflicts(), [{ user_key: "u-2", ...event }]);
  assert.deepEqual(
    at.told.map(({ rows }) => rows.conflicts),
    [0, 1, 0, 0],
  );
});

test("of two users who bring one session id in one batch, one has it and the other is refused", async () => {
  await at.write([
    at.state({ session_id: UUID, version: 5 }),
    at.state({ session_id: UUID, version: 9, user_id: "u-2" }),
  ]);
  const rows = await at.rows("select user_key, status from user_sessions order by status");
  assert.deepEqual(
    rows.map(({ status }) => status),
    ["ACTIVE", "REFUSED"],
  );
  assert.equal((await conflicts()).length, 1);
  assert.deepEqual(at.dead, []);
});

test("two members that write one session id of two users at once agree on one owner", async () => {
  const users = ["u-1", "u-3", "u-5", "u-6"];
  const records = users.map((user_id) => ({
    ...at.state({ session_id: UUID, user_id }),
    partition: partitionOf(`molam-sn|${user_id}`, 6),
  }));
  const partitions = new Set(records.map(({ partition }) => partition));
  assert.equal(partitions.size, users.length, "each user has a partition of its own");
  await Promise.all(records.map((record) => at.write([record], at.createSink(6))));
  const rows = await at.rows(
    "select status, count(*)::int as n from user_sessions group by 1 order by 1",
  );
  assert.deepEqual(rows, [
    { status: "ACTIVE", n: 1 },
    { status: "REFUSED", n: 3 },
  ]);
  assert.equal((await conflicts()).length, 3);
  assert.deepEqual(at.dead, []);
});

test("events of the other user never hang on the owner's session", async () => {
  // Given a stranger's event before the owner's state, and one after it
  await at.write([at.heartbeat({ user_id: "u-2", event_id: "e-1" })]);
  await at.write([at.state(), at.heartbeat({ event_id: "e-2" })]);
  await at.write([at.heartbeat({ user_id: "u-2", event_id: "e-3" })]);
  // Then each user's hang on a row of the user's own
  const rows = await at.rows(
    `select s.user_key, s.status, array_agg(a.event_id order by a.event_id) as events
       from session_activities a
       join user_sessions s on s.tenant_id = a.tenant_id and s.user_id = a.user_id
        and s.id = a.session_id
      group by 1, 2 order by 1`,
  );
  assert.deepEqual(rows, [
    { user_key: "u-1", status: "ACTIVE", events: ["e-2"] },
    { user_key: "u-2", status: "PENDING", events: ["e-1", "e-3"] },
  ]);
});

test("the database itself refuses a second session of one id", async () => {
  await at.write([at.state({ session_id: UUID })]);
  await at.write([at.state({ session_id: UUID, user_id: "u-2" })]);
  const plant = "update user_sessions set status = 'ACTIVE' where status = 'REFUSED'";
  await assert.rejects(at.owner.query(plant), /idx_user_sessions_session/);
});

test("a refused user has the id once its owner is forgotten", async () => {
  await at.write([at.state({ version: 5 })]);
  await at.write([at.state({ version: 5, user_id: "u-2" })]);
  await at.write([at.maker.raw("id.session.state", { key: "molam-sn|u-1|s-1" })]);
  await at.write([at.state({ version: 6, user_id: "u-2" })]);
  assert.deepEqual(await at.rows(SESSIONS), [
    { tenant_key: "molam-sn", user_key: "u-2", version: 6, is_active: true },
  ]);
});

test("two spellings of one UUID are one session: the first one's states count", async () => {
  const upper = UUID.toUpperCase();
  await at.write([at.state({ session_id: UUID, version: 5 })]);
  await at.write([at.state({ session_id: upper, version: 9 })]);
  await at.write([at.maker.raw("id.session.state", { key: `molam-sn|u-1|${upper}` })]);
  await at.write([
    at.state({ session_id: UUID, version: 6 }),
    at.state({ session_id: upper, version: 10 }),
  ]);
  const rows = await at.rows("select id, session_key, version from sessions");
  assert.deepEqual(rows, [{ id: UUID, session_key: UUID, version: 6 }]);
  assert.equal((await conflicts()).length, 1);
});

test("TEN-01: only its own user's tombstone deletes a session", async () => {
  const tombstone = (user: string) =>
    at.maker.raw("id.session.state", { key: `${user}|${UUID}`, value: null });
  await at.write([at.state({ session_id: UUID, version: 5 })]);
  await at.write([tombstone("molam-ci|u-1"), tombstone("molam-sn|u-2")]);
  assert.equal((await at.rows("select 1 from sessions")).length, 1);
  await at.write([tombstone("molam-sn|u-1")]);
  assert.deepEqual(await at.rows("select 1 from sessions"), []);
});

test("a record in the wrong partition is dropped and counted, whatever its key's shape", async () => {
  const sink = at.createSink(6);
  const right = partitionOf("molam-sn|u-1", 6);
  const wrong = (right + 1) % 6;
  const { maker } = at;
  const state = { ...at.state(), partition: right };
  const strayed = { ...at.state({ session_id: "s-2" }), partition: wrong };
  const tombstone = maker.raw("id.session.state", {
    key: "molam-sn|u-1|s-1",
    partition: wrong,
  });
  await at.write([state, strayed, tombstone, { ...at.heartbeat(), partition: wrong }], sink);
  assert.deepEqual(await at.rows("select session_key from sessions"), [{ session_key: "s-1" }]);
  assert.deepEqual(await at.rows("select 1 from session_activities"), []);
  assert.deepEqual(at.told.at(-1)?.tally.dropped, { misrouted: 3 });
  assert.equal(at.told.at(-1)?.tally.ok, 1);
});

test("SES-24: a row's ids are those of tenant, user and session", async () => {
  await at.write([at.state({ created_at: NOW })]);
  assert.deepEqual(await at.rows("select tenant_id, user_id, id from user_sessions"), [
    {
      tenant_id: tenantUuid("molam-sn"),
      user_id: uuidOf("molam-sn", "user", "u-1"),
      id: uuidOf("molam-sn", "session", "s-1"),
    },
  ]);
});
