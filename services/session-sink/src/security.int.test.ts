import assert from "node:assert/strict";
import { REVOCATIONS_HELD } from "@vigie/schemas/audit-actions";
import { tenantUuid } from "@vigie/service-kit/ids";
import { onTestFinished, test } from "vitest";
import { NOW, testSink } from "./test-sink.ts";
import {
  ack,
  anomaly,
  audited,
  command,
  commandResult,
  decision,
  epoch,
  policy,
  revoked,
} from "./testing.ts";

const at = await testSink();

const asked = (over?: Parameters<typeof command>[1]) =>
  at.maker.record("id.session.command", command(NOW, over));
const answered = (over?: Parameters<typeof commandResult>[1]) =>
  at.maker.record("id.session.command.result", commandResult(NOW + 40, over));
const acted = (ms: number, over?: Parameters<typeof ack>[1]) =>
  at.maker.record("id.session.revocation_ack", ack(NOW + ms, over));
const revocation = (over?: Parameters<typeof revoked>[1]) =>
  at.maker.record("id.session.revoked", revoked(NOW, over));
const found = (over?: Parameters<typeof anomaly>[1]) =>
  at.maker.record("id.session.anomaly", anomaly(NOW, over));

const COMMANDS = `
  select command_id, kind, session_key, actor_id, requested_at, decided_at,
         revoked_session_keys, already_ended, noted_at from session_commands`;
const whole = {
  command_id: "c-1",
  kind: "REVOKE_SESSION",
  session_key: "s-1",
  actor_id: "admin-1",
  requested_at: new Date(NOW),
  decided_at: new Date(NOW + 40),
  revoked_session_keys: ["s-1"],
  already_ended: 2,
  noted_at: new Date(NOW),
};

test("REV-05: a command and its result are one row, in either order and however often they come", async () => {
  await at.write([asked()]);
  await at.write([answered(), answered({ already_ended: 9 })]);
  await at.write([asked({ reason: "again" }), answered({ already_ended: 9 })]);
  assert.deepEqual(await at.rows(COMMANDS), [whole]);
  await at.reset();
  await at.write([answered()]);
  await at.write([asked()]);
  assert.deepEqual(await at.rows(COMMANDS), [whole]);
});

test("PRV-12: of who asked, neither address nor agent is kept", async () => {
  await at.write([asked(), at.maker.record("id.audit", audited(NOW))]);
  const rows = await at.rows(
    "select session_commands::text as row from session_commands union all select session_security_events::text from session_security_events",
  );
  assert.equal(rows.length, 2);
  assert.doesNotMatch(JSON.stringify(rows), /41\.82|Mozilla/);
});

const ACKS = `
  select enforcement_point, acted_at, delay_ms from session_revocation_acks
   order by enforcement_point`;
const delays = () => at.told.flatMap(({ rows }) => rows.acks.map((each) => each.delay_ms));

test("an acknowledgement keeps the first time that a point acted, against the revocation", async () => {
  await at.write([revocation()]);
  await at.write([acted(120), acted(80), acted(300, { enforcement_point: "eats" })]);
  await at.write([acted(500), acted(70)]);
  assert.deepEqual(await at.rows(ACKS), [
    { enforcement_point: "eats", acted_at: new Date(NOW + 300), delay_ms: 300 },
    { enforcement_point: "pay", acted_at: new Date(NOW + 70), delay_ms: 70 },
  ]);
  assert.deepEqual(delays().sort(), [300, 80]);
});

test("an acknowledgement may come before its revocation, and then counts once", async () => {
  await at.write([acted(90)]);
  assert.deepEqual(delays(), []);
  await at.write([revocation()]);
  await at.write([revocation(), acted(90)]);
  assert.deepEqual(
    (await at.rows(ACKS)).map(({ delay_ms }) => delay_ms),
    [90],
  );
  assert.deepEqual(delays(), [90]);
});

test("a point whose clock is behind acted at once, not before", async () => {
  await at.write([revocation(), acted(-40)]);
  await at.write([acted(-50)]);
  assert.deepEqual(
    (await at.rows(ACKS)).map(({ delay_ms }) => delay_ms),
    [0],
  );
});

test("TEN-01: another tenant's acknowledgement says nothing about a revocation", async () => {
  await at.write([revocation(), acted(90, { tenant_id: "molam-ci" })]);
  assert.deepEqual(
    (await at.rows(ACKS)).map(({ delay_ms }) => delay_ms),
    [null],
  );
  assert.deepEqual(await at.rows("select slug from tenants"), [{ slug: "molam-sn" }]);
});

test("the views give p50 and p99 of each point, and what a point has not answered", async () => {
  await at.write([
    ...[1, 2, 3].map((i) => revocation({ revocation_id: `r-${i}` })),
    ...[1, 2, 3].map((i) => acted(i * 100, { revocation_id: `r-${i}` })),
    acted(50, { revocation_id: "r-1", enforcement_point: "eats" }),
  ]);
  const reader = at.open("vigie_reader");
  onTestFinished(() => reader.close());
  const read = async (tenant: string, text: string) =>
    (await reader.inTenant(tenant, (tx) => tx.query<Record<string, unknown>>(text))).rows;
  const latency =
    "select enforcement_point, acks, p50_ms, p99_ms, max_ms from revocation_ack_latency order by 1";
  assert.deepEqual(await read("molam-sn", latency), [
    { enforcement_point: "eats", acks: 1, p50_ms: 50, p99_ms: 50, max_ms: 50 },
    { enforcement_point: "pay", acks: 3, p50_ms: 200, p99_ms: 298, max_ms: 300 },
  ]);
  const unanswered =
    "select revocation_id, enforcement_point from revocations_unanswered order by 1";
  assert.deepEqual(await read("molam-sn", unanswered), [
    { revocation_id: "r-2", enforcement_point: "eats" },
    { revocation_id: "r-3", enforcement_point: "eats" },
  ]);
  assert.deepEqual(await read("molam-ci", latency), []);
  assert.deepEqual(await read("molam-ci", unanswered), []);
});

const EVENTS = `
  select kind, severity, source, user_key, session_key, evidence, retracted_at
    from session_security_events order by kind`;

test("ANO-14, ANO-18: severe anomalies and alarms are security events, a rule on trial's are none", async () => {
  const low = { severity: "MEDIUM", kind: "concurrent_sessions" } as const;
  await at.write([
    found(),
    found({ ...low, anomaly_id: "a-2", evidence: { live: "6" } }),
    found({ severity: "LOW", kind: "vpn_detected", anomaly_id: "a-3" }),
    found({ mode: "SHADOW", severity: "CRITICAL", kind: "geo_block", anomaly_id: "a-4" }),
  ]);
  await at.write([found()]);
  const session = { user_key: "u-1", session_key: "s-1", retracted_at: null };
  const evidence = { speed_kmh: "8400", to_country: "FR" };
  assert.deepEqual(await at.rows(EVENTS), [
    { ...session, ...low, source: "sessions", evidence: { live: "6" } },
    { ...session, kind: "impossible_travel", severity: "HIGH", source: "detector", evidence },
  ]);
  await at.write([found({ anomaly_id: "a-9", retracts: "a-1", detected_at: NOW + 9 })]);
  const retracted = (await at.rows(EVENTS)).map((row) => row.retracted_at);
  assert.deepEqual(retracted, [null, new Date(NOW + 9)]);
});

test("ANO-18: refused attempts and the guard's alarm come from the audit, its other entries do not", async () => {
  const record = (over: Parameters<typeof audited>[1]) =>
    at.maker.record("id.audit", audited(NOW, over));
  const rule = { type: "POLICY", id: "geo_block", impersonator_id: null } as const;
  await at.write([
    record({}),
    record({ event_id: "x-2", action: "policy.updated" }),
    record({
      event_id: "x-3",
      action: REVOCATIONS_HELD,
      emitter: "vigie.sessions.2",
      actor: { ...rule, ip: null, user_agent: null },
      payload: "not json",
    }),
  ]);
  const nobody = { user_key: null, session_key: null, retracted_at: null };
  assert.deepEqual(await at.rows(EVENTS), [
    {
      ...nobody,
      kind: "access_denied",
      severity: "MEDIUM",
      source: "edge",
      user_key: "admin-1",
      evidence: { route: "/api/id/admin/sessions/revoke", count: 3 },
    },
    {
      ...nobody,
      kind: "policy_revocations_held",
      severity: "CRITICAL",
      source: "sessions",
      evidence: { actor: "geo_block" },
    },
  ]);
});

test("decisions, the greatest epoch and every policy version are kept", async () => {
  const { maker } = at;
  await at.write([
    maker.record("id.risk.decision", decision(NOW)),
    maker.record("id.session.epoch", epoch(NOW + 5, { epoch_id: "e-2" })),
    maker.record("id.session.policy", policy(1, { idle_timeout: { minutes: 10 } })),
    maker.record("id.session.policy", policy(2, { idle_timeout: { minutes: 20 } })),
  ]);
  await at.write([
    maker.record("id.risk.decision", decision(NOW, { reason: "again" })),
    maker.record("id.session.epoch", epoch(NOW)),
    maker.record("id.session.epoch", epoch(NOW, { scope: "TENANT", value: null })),
    maker.raw("id.session.epoch", { key: "molam-sn|ROLE|agent" }),
  ]);
  assert.deepEqual(at.dead, []);
  assert.deepEqual(
    await at.rows("select action, reason, session_key from session_risk_decisions"),
    [{ action: "REVOKE", reason: "fraud", session_key: "s-1" }],
  );
  assert.deepEqual(await at.rows("select scope, value, epoch_id from session_epochs order by 1"), [
    { scope: "ROLE", value: "agent", epoch_id: "e-2" },
    { scope: "TENANT", value: "", epoch_id: "e-1" },
  ]);
  const documents = await at.rows("select document from session_policy_changes order by version");
  assert.deepEqual(
    documents.map(({ document }) => document),
    [{ idle_timeout: { minutes: 10 } }, { idle_timeout: { minutes: 20 } }],
  );
});

test("TEN-02: a reader sees its own tenant's commands, decisions and events, and everybody's default policy", async () => {
  const { maker } = at;
  for (const tenant_id of ["molam-sn", "molam-ci"]) {
    await at.write([
      asked({ tenant_id }),
      revocation({ tenant_id }),
      acted(9, { tenant_id }),
      found({ tenant_id }),
      maker.record("id.risk.decision", decision(NOW, { tenant_id })),
      maker.record("id.session.epoch", epoch(NOW, { tenant_id })),
      maker.record("id.session.policy", policy(1, {}, tenant_id)),
      maker.record("id.session.policy", policy(1, {}, "*")),
    ]);
  }
  await at.addVerdicts();
  const reader = at.open("vigie_reader");
  onTestFinished(() => reader.close());
  const tables = [
    "session_commands",
    "session_risk_decisions",
    "session_anomaly_verdicts",
    "session_revocation_acks",
    "enforcement_points",
    "session_epochs",
    "session_security_events",
  ];
  for (const table of tables) {
    const text = `select distinct tenant_id from ${table}`;
    const { rows } = await reader.inTenant("molam-sn", (tx) => tx.query(text));
    assert.deepEqual(rows, [{ tenant_id: tenantUuid("molam-sn") }], table);
    assert.deepEqual((await reader.query(text)).rows, [], `${table} without a tenant`);
  }
  const keys = "select tenant_key from session_policy_changes order by 1";
  const { rows } = await reader.inTenant("molam-sn", (tx) => tx.query(keys));
  assert.deepEqual(rows, [{ tenant_key: "*" }, { tenant_key: "molam-sn" }]);
});
