import assert from "node:assert/strict";
import type { SessionAnomaly, SessionState } from "@vigie/schemas/types";
import { test } from "vitest";
import { DAKAR, MINUTE, PARIS, PHONE } from "./support/events.ts";
import { allServices } from "./support/pipeline.ts";
import { run } from "./support/processes.ts";
import { count, inRedis, sessionRow, values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

const { pipeline, events } = await testPipeline();

const anomaliesOf = async (userId: string): Promise<SessionAnomaly[]> =>
  (await values<SessionAnomaly>(pipeline, "id.session.anomaly")).filter(
    (anomaly): anomaly is SessionAnomaly => anomaly?.user_id === userId,
  );

/** One anomaly of this kind on the topic, in PostgreSQL and in the audit trail, and one only. */
async function foundOnce(userId: string, kind: string): Promise<SessionAnomaly> {
  const anomaly = await until(`${kind} is on the topic`, async () =>
    (await anomaliesOf(userId)).find((each) => each.kind === kind),
  );
  const { anomaly_id } = anomaly;
  const stored = "session_anomalies where anomaly_id = $1";
  await untilTrue(
    `${kind} is stored`,
    async () => (await count(pipeline, stored, [anomaly_id])) === 1,
  );
  const audited = "audit_log where source_topic = 'id.session.anomaly' and event_id = $1";
  await untilTrue(
    `${kind} is audited`,
    async () => (await count(pipeline, audited, [`anomaly:${anomaly_id}`])) === 1,
  );
  const kinds = (await anomaliesOf(userId)).map((each) => each.kind);
  assert.deepEqual(kinds, [kind]);
  return anomaly;
}

test("SES-01, ACT-01, HBT-04: a login by HTTP becomes a session in PostgreSQL and Redis", async () => {
  const response = await pipeline.post("/v1/events/login", {
    user_id: "u-http",
    occurred_at: new Date().toISOString(),
    kind: "AUTH_SUCCESS",
    session_id: "s-http",
    channel: "WEB",
    user_type: "EXTERNAL",
    login_method: "pin",
    network: { ip: "41.82.17.203", user_agent: PHONE.userAgent },
  });
  assert.equal(response.status, 202, await response.clone().text());
  const { topic, partition, offset } = (await response.json()) as Record<string, unknown>;
  assert.equal(topic, `${pipeline.prefix}id.login`);
  assert.ok(Number(partition) >= 0 && Number(offset) >= 0);

  const row = await until("the session is in PostgreSQL", () => sessionRow(pipeline, "s-http"));
  assert.equal(row.status, "ACTIVE");
  assert.equal(row.ip_prefix, "41.82.17.0/24");
  assert.match(String(row.ip_address_hash), /^[0-9a-f]{64}$/);
  assert.equal(row.client_info.browser, "Chrome");
  await untilTrue("it lives in Redis", async () => {
    return (await inRedis(pipeline, "u-http", "s-http")) === "active";
  });
  await untilTrue("its login is an activity", async () => {
    const where =
      "molam_session_activity where kind = 'AUTH_SUCCESS' and session_id = (select id from sessions where session_key = $1)";
    return (await count(pipeline, where, ["s-http"])) === 1;
  });
});

test("a logout ends it everywhere, and a late heartbeat does not bring it back", async () => {
  const login = { userId: "u-out", sessionId: "s-out" };
  await pipeline.producer.send("id.login", [events.login(login)]);
  await until("it lives", async () => {
    const kind = await inRedis(pipeline, "u-out", "s-out");
    return kind === "active" ? true : null;
  });
  await pipeline.producer.send("id.login", [events.login({ ...login, kind: "LOGOUT" })]);
  await untilTrue("it has ended in Redis", async () => {
    return (await inRedis(pipeline, "u-out", "s-out")) === "ended";
  });
  await pipeline.producer.send("id.heartbeat", [events.heartbeat(login)]);
  // Another session of the same user, later on the same partition: when it is there, the heartbeat was read.
  await pipeline.producer.send("id.login", [events.login({ ...login, sessionId: "s-next" })]);
  await until("the next one is stored", () => sessionRow(pipeline, "s-next"));
  const row = await sessionRow(pipeline, "s-out");
  assert.equal(row?.status, "LOGGED_OUT");
  assert.equal(row?.is_active, false);
  assert.equal(await inRedis(pipeline, "u-out", "s-out"), "ended");
});

test("HBT-02: a session that fell silent ends at its deadline by itself", async () => {
  const occurredAt = Date.now() - 30 * MINUTE + 4_000;
  const login = { userId: "u-idle", sessionId: "s-idle", occurredAt };
  await pipeline.producer.send("id.login", [events.login(login)]);
  await until("it has begun", () => sessionRow(pipeline, "s-idle"));
  const row = await until("it has ended", async () => {
    const found = await sessionRow(pipeline, "s-idle");
    return found?.status === "IDLE_EXPIRED" ? found : null;
  });
  assert.equal(row.termination_reason, "idle_timeout");
  const states = (await values<SessionState>(pipeline, "id.session.state")).filter(
    (state) => state?.session_id === "s-idle",
  );
  assert.deepEqual(
    states.map((state) => state?.status),
    ["ACTIVE", "IDLE_EXPIRED"],
  );
  assert.equal(states[1]?.ended_at, occurredAt + 30 * MINUTE);
});

test("ANO-03, ANO-15, ANO-17: Dakar, then Paris half an hour later", async () => {
  const user = { userId: "u-travel", sessionId: "s-travel", ...PHONE };
  const dakar = { ...user, ...DAKAR, occurredAt: Date.now() - 31 * MINUTE };
  const paris = { ...user, ...PARIS, occurredAt: Date.now() - MINUTE };
  await pipeline.producer.send("id.login", [events.login(dakar), events.login(paris)]);
  const anomaly = await foundOnce("u-travel", "impossible_travel");
  assert.equal(anomaly.severity, "HIGH");
  assert.equal(anomaly.risk_score, 95);
  assert.equal(anomaly.action, "STEP_UP");
  await untilTrue("it is an activity", async () => {
    const where =
      "molam_session_activity a join users u on u.id = a.user_id where a.kind = 'ANOMALY' and u.external_id = $1";
    return (await count(pipeline, where, ["u-travel"])) === 1;
  });
});

test("ANO-06: the same device with another fingerprint", async () => {
  const user = { userId: "u-print", ...PHONE };
  await pipeline.producer.send("id.login", [
    events.login({ ...user, similarity: 0.99, occurredAt: Date.now() - 2 * MINUTE }),
    events.login({ ...user, similarity: 0.2 }),
  ]);
  await foundOnce("u-print", "fingerprint_mismatch");
});

test("ANO-07: the sixth failed second factor within the hour", async () => {
  const user = { userId: "u-force", ...PHONE };
  const fails = Array.from({ length: 6 }, (_, n) =>
    events.mfa({ ...user, occurredAt: Date.now() - (6 - n) * MINUTE }),
  );
  await pipeline.producer.send("id.mfa", fails);
  await foundOnce("u-force", "bruteforce");
});

test("AUD-01, AUD-03: the audit trail of all this is signed and whole", async () => {
  const fsck = ["services/audit-sink/src/main.ts", "fsck", "--topic"];
  const { code, text } = await run(fsck, pipeline.env);
  assert.equal(code, 0, text);
  const [, leaves] = /(\d+) of \1 leaves, .*: intact/.exec(text) ?? [];
  assert.ok(Number(leaves) >= 3, text);
  const WORM_SIGNING_SECRET = "another secret, long enough to be taken";
  const other = await run(fsck, { ...pipeline.env, WORM_SIGNING_SECRET });
  // Nobody can say whose signatures these are.
  assert.equal(other.code, 4, other.text);
});

test("PRV-03, PRV-12: no address is stored or logged", async () => {
  const { rows } = await pipeline.database.query<{ row: string }>(
    "select user_sessions::text as row from user_sessions union all select session_activities::text from session_activities",
  );
  assert.ok(rows.length > 0);
  for (const { row } of rows) assert.ok(!row.includes("41.82.17.203"));
  for (const name of allServices) {
    const output = pipeline.service(name).output();
    for (const secret of ["41.82.17.203", "u-http", "u-travel"]) {
      assert.ok(!output.includes(secret), `${name} logs ${secret}`);
    }
  }
});

test("OBS-01, OBS-05: every service tells its health and what it has done", async () => {
  for (const name of allServices) {
    const service = pipeline.service(name);
    assert.deepEqual(await service.partsDown(), [], name);
    assert.equal((await fetch(`${service.url}/livez`)).status, 200);
    assert.equal((await fetch(`${service.url}/api/health`)).status, 200);
  }
  const kinds = await pipeline.service("detector").metric("id_anomalies_detected_total");
  assert.equal(kinds, 3);
});

test.each(allServices)(
  "%s --check-config prints every fault at once and exits 78, or 0",
  async (name) => {
    const check = [`services/${name}/src/main.ts`, "--check-config"];
    const bad = await run(check, { KAFKA_BROKERS: "no port", METRICS_PORT: "-1", PORT: "-1" });
    assert.equal(bad.code, 78, bad.text);
    for (const fault of ["KAFKA_BROKERS", "SCHEMA_REGISTRY_URL", "PORT"]) {
      assert.ok(bad.text.includes(fault), `${name}: ${fault}`);
    }
    const good = await run(check, pipeline.env);
    assert.equal(good.code, 0, good.text);
  },
);

test("SIGTERM: every service finishes what it has begun and exits 0 within 10 s", async () => {
  for (const name of allServices) {
    const { code, tookMs } = await pipeline.service(name).terminate();
    assert.equal(code, 0, `${name}: ${pipeline.service(name).output().slice(-800)}`);
    assert.ok(tookMs < 10_000, `${name} took ${tookMs} ms`);
  }
});
