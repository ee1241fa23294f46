import assert from "node:assert/strict";
import { DAY_MS } from "@vigie/core/time";
import { test } from "vitest";
import { activityPartitions } from "./partitions.ts";
import { applyRetention, type Forgotten } from "./retention.ts";
import { NOW, testSink } from "./test-sink.ts";
import { ack, anomaly, command, commandResult, decision, policy, revoked } from "./testing.ts";

const at = await testSink();

const retain = (inDays: number, rowsMax?: number): Promise<Forgotten> =>
  applyRetention({
    database: at.database,
    partitions: activityPartitions(at.database),
    nowMs: NOW + inDays * DAY_MS,
    ...(rowsMax !== undefined && { rowsMax }),
  });
const setPolicy = (version: number, document: object, tenant?: string) =>
  at.write([at.maker.record("id.session.policy", policy(version, document, tenant))]);
const countOf = async (table: string) => (await at.rows(`select 1 from ${table}`)).length;

test("PRV-13: what has ended goes after the policy's days, from every table, and not a day before", async () => {
  const { maker } = at;
  await setPolicy(1, { session_retention: { days: 10 }, activity_retention: { days: 60 } });
  await at.write([
    at.state({ status: "LOGGED_OUT", ended_at: NOW }),
    maker.record("id.session.anomaly", anomaly(NOW)),
    maker.record(
      "id.session.anomaly",
      anomaly(NOW, { anomaly_id: "a-2", retracts: "a-1", detected_at: NOW }),
    ),
    maker.record("id.session.revoked", revoked(NOW)),
    maker.record("id.session.revocation_ack", ack(NOW)),
    maker.record("id.session.command", command(NOW)),
    maker.record("id.session.command.result", commandResult(NOW)),
    maker.record("id.risk.decision", decision(NOW)),
  ]);
  await at.addVerdicts();
  assert.deepEqual(await retain(9.9), {});
  assert.equal(await countOf("session_anomaly_verdicts"), 1);
  const one = {
    user_sessions: 1,
    session_anomalies: 1,
    session_anomaly_retractions: 1,
    session_revocations: 1,
    session_revocation_acks: 1,
    session_commands: 1,
    session_risk_decisions: 1,
    session_security_events: 1,
  };
  assert.deepEqual(await retain(10.1), one);
  assert.equal(await countOf("session_anomaly_verdicts"), 0, "with its anomaly");
  assert.deepEqual(await retain(10.1), {});
});

test("cleanup never touches a live session, however old it is and whatever its end", async () => {
  const longAgo = NOW - 380 * DAY_MS;
  await setPolicy(1, { session_retention: { days: 1 }, activity_retention: { days: 365 } });
  await at.write([
    at.state({ created_at: longAgo, last_seen_at: longAgo, idle_expires_at: longAgo }),
  ]);
  assert.deepEqual(await retain(300), {});
  assert.equal(await countOf("sessions where is_active"), 1);
});

test("PRV-13: each tenant's own days count, over those of the default", async () => {
  await setPolicy(1, { session_retention: { days: 30 } }, "*");
  await setPolicy(1, { session_retention: { days: 400 } }, "molam-ci");
  const ended = { status: "REVOKED", ended_at: NOW } as const;
  await at.write([at.state(ended), at.state({ ...ended, tenant_id: "molam-ci" })]);
  assert.deepEqual(await retain(31), { user_sessions: 1 });
  assert.deepEqual(await at.rows("select tenant_key from sessions"), [{ tenant_key: "molam-ci" }]);
  await setPolicy(2, { session_retention: { days: 31 } }, "molam-ci");
  assert.deepEqual(await retain(32), { user_sessions: 1 });
});

test("it goes in batches until nothing is left", async () => {
  await setPolicy(1, { session_retention: { days: 1 } });
  await at.write(
    Array.from({ length: 25 }, (_, i) =>
      at.state({ session_id: `s-${i}`, status: "EXPIRED", ended_at: NOW }),
    ),
  );
  assert.deepEqual(await retain(2, 10), { user_sessions: 25 });
});

test("activities go by the tenant's days: whole days at the longest of all, row by row before", async () => {
  const before = (days: number) => NOW - days * DAY_MS;
  await setPolicy(1, { activity_retention: { days: 20 } }, "*");
  await setPolicy(1, { activity_retention: { days: 10 } });
  const beat = (days: number, tenant_id: string) =>
    at.heartbeat({ event_id: `e-${days}`, occurred_at: before(days), tenant_id });
  await at.write([
    ...[1, 12, 13, 25].map((days) => beat(days, "molam-sn")),
    ...[1, 12, 25].map((days) => beat(days, "molam-ci")),
  ]);
  const DAYS = `
    select t.slug, count(*)::int as n from session_activities a
      join tenants t on t.id = a.tenant_id group by 1 order by 1`;
  const gone = await retain(0, 1);
  assert.deepEqual(gone, { days: 1, session_activities: 2 });
  assert.deepEqual(await at.rows(DAYS), [
    { slug: "molam-ci", n: 2 },
    { slug: "molam-sn", n: 1 },
  ]);
  // What comes late for a day that is cleared is not written
  await at.write([beat(14, "molam-sn"), beat(14, "molam-ci")]);
  assert.deepEqual(await at.rows(DAYS), [
    { slug: "molam-ci", n: 3 },
    { slug: "molam-sn", n: 1 },
  ]);
  assert.deepEqual(await retain(0), {});
});

test("a row that only held events goes when they are gone, and one that holds some stays", async () => {
  await setPolicy(1, { activity_retention: { days: 20 } }, "*");
  await at.write([
    at.heartbeat({ session_id: "s-old", occurred_at: NOW - 29 * DAY_MS }),
    at.heartbeat({ session_id: "s-new", event_id: "e-1", occurred_at: NOW - 29 * DAY_MS }),
    at.heartbeat({ session_id: "s-new", event_id: "e-2" }),
  ]);
  await retain(0);
  await retain(0);
  const rows = await at.rows("select session_key from user_sessions");
  assert.deepEqual(rows, [{ session_key: "s-new" }]);
  assert.equal(await countOf("session_activities"), 1);
});

test("a policy that is not valid keeps what it would have let go", async () => {
  await setPolicy(1, { session_retention: { days: 0 } });
  await at.write([at.state({ status: "REVOKED", ended_at: NOW })]);
  const told: string[] = [];
  const { database } = at;
  const partitions = activityPartitions(database);
  const gone = await applyRetention({
    database,
    partitions,
    nowMs: NOW + 5 * DAY_MS,
    refused: (tenantId) => told.push(tenantId),
  });
  assert.deepEqual(gone, {});
  assert.deepEqual(told, ["molam-sn"]);
});

test("no event opens a day far off: its record goes to the dead letters", async () => {
  const days = () => countOf("pg_partition_tree('session_activities') where isleaf");
  const partitions = activityPartitions(at.database);
  const before = await days();
  await partitions.ensure(["1970-01-01", "2019-06-01", "9999-12-31"]);
  assert.equal(await days(), before);
  // Given records whose own arrival is as far off as they are
  const far = (year: number) => Date.UTC(year, 5, 1);
  const stray = (year: number) => ({
    ...at.heartbeat({ event_id: `e-${year}`, occurred_at: far(year) }),
    timestampMs: far(year),
  });
  await at.write([stray(2019), at.heartbeat(), stray(2300)]);
  assert.deepEqual(
    at.dead.map(({ code }) => code),
    ["VIG_ROW_REFUSED", "VIG_ROW_REFUSED"],
  );
  assert.equal(await countOf("session_activities"), 1);
  assert.ok((await days()) <= before + 1);
});
