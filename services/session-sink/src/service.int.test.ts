import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { MINUTE_MS } from "@vigie/core/time";
import type { LoginEvent } from "@vigie/schemas/types";
import { eventually } from "@vigie/testkit/eventually";
import { Workload } from "@vigie/testkit/workload/workload";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { type SinkStack, sinkStack } from "./test-stack.ts";
import {
  ack,
  anomaly,
  command,
  commandResult,
  epoch,
  erasure,
  policy,
  revoked,
  sessionState,
} from "./testing.ts";

/** Enough that a run lasts some seconds; the whole number with VIGIE_TEST_FULL. */
const FULL = process.env.VIGIE_TEST_FULL === "1";
const EVENTS = FULL ? 60_000 : 12_000;
const KILLS = FULL ? 20 : 4;

/** Of thousands of events, and kills in between. */
const DEADLINE_MS = 60_000;

let servers: SinkStack;

beforeAll(async () => {
  servers = await sinkStack();
});
afterAll(() => servers.close());

const until = (what: string, holds: () => Promise<boolean>): Promise<void> =>
  eventually(async () => assert.ok(await holds(), what), DEADLINE_MS);

interface Service {
  readonly child: ChildProcess;
  readonly log: () => string;
  get(path: string): Promise<Response>;
}

/** The service as `npm run service -- session-sink` runs it. */
async function startService(over: Record<string, string> = {}): Promise<Service> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts")], {
    env: {
      ...process.env,
      ...servers.env,
      VIGIE_STATE_DIR: servers.stateDir,
      METRICS_PORT: "0",
      HOST: "127.0.0.1",
      ...over,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  // One that a failed test leaves would take the next one's partitions.
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (log += text));
  await until("the service has begun", async () => log.includes('"started"'));
  const port = /"metricsPort":(\d+)/.exec(log)?.[1];
  return { child, log: () => log, get: (path) => fetch(`http://127.0.0.1:${port}${path}`) };
}

async function kill(service: Service, signal: NodeJS.Signals): Promise<number | null> {
  const exited = once(service.child, "exit");
  service.child.kill(signal);
  const [code] = await exited;
  return code as number | null;
}

interface Published {
  readonly activities: number;
  readonly sessions: number;
}

/** Traffic with the state that follows each login, some anomalies, revocations and garbage. */
async function publishTraffic(seed: number): Promise<Published> {
  const startMs = Date.now() - 10 * MINUTE_MS;
  const options = { events: EVENTS, users: 2_000, seed, startMs, spanMs: 5 * MINUTE_MS };
  const pending: Promise<unknown>[] = [];
  const sessions = new Set<string>();
  let activities = 0;
  for (const { topic, value } of new Workload(options).events()) {
    activities += 1;
    pending.push(servers.publish(topic, value));
    const { tenant_id, user_id, session_id } = value;
    if (topic !== "id.login" || (value as LoginEvent).kind !== "AUTH_SUCCESS") continue;
    if (session_id === null) continue;
    sessions.add(session_id);
    const subject = { tenant_id, user_id, session_id };
    pending.push(servers.publish("id.session.state", sessionState(value.occurred_at, subject)));
    if (sessions.size % 50 === 0) {
      const anomaly_id = `a-${seed}-${sessions.size}`;
      const revocation_id = `r-${seed}-${sessions.size}`;
      const at = value.occurred_at;
      pending.push(servers.publish("id.session.anomaly", anomaly(at, { ...subject, anomaly_id })));
      pending.push(
        servers.publish("id.session.revoked", revoked(at, { ...subject, revocation_id })),
      );
      pending.push(servers.publishBytes("id.mfa", `a|${sessions.size}`, Buffer.from("garbage")));
      activities += 2;
    }
    if (pending.length >= 5_000) await Promise.all(pending.splice(0));
  }
  await Promise.all(pending);
  return { activities, sessions: sessions.size };
}

test("kill -9 at random moments loses nothing and writes nothing twice; SIGTERM drains and exits 0", async () => {
  // Given a backlog
  const { activities, sessions } = await publishTraffic(1);
  // When the sink is killed again and again while it works through it
  for (let i = 1; i <= KILLS; i++) {
    const service = await startService({ BATCH_RECORDS_MAX: "200" });
    const enough = (activities * i) / (KILLS + 2);
    await until(
      "it wrote a part",
      async () => (await servers.count("session_activities")) >= enough,
    );
    await kill(service, "SIGKILL");
  }
  const last = await startService();
  await until(
    "it wrote all",
    async () => (await servers.count("session_activities")) >= activities,
  );
  await until("all sessions", async () => (await servers.count("sessions")) >= sessions);
  // Then every record has its row once, and the last one says so
  assert.equal(await servers.count("session_activities"), activities);
  assert.equal(await servers.count("sessions"), sessions);
  assert.equal(await servers.count("session_anomalies"), Math.floor(sessions / 50));
  assert.equal(await servers.count("session_revocations"), Math.floor(sessions / 50));
  assert.ok((await servers.deadLetters("id.mfa")) >= Math.floor(sessions / 50));
  const health = (await (await last.get("/health")).json()) as { status: string; parts: object };
  assert.equal(health.status, "healthy", JSON.stringify(health));
  assert.ok(["kafka", "database"].every((part) => part in health.parts));
  assert.match(
    await (await last.get("/metrics")).text(),
    /vigie_records_total\{processor="session-sink"/,
  );
  assert.equal(await kill(last, "SIGTERM"), 0, last.log());
  assert.doesNotMatch(last.log(), /usr_|41\.82\.|Mozilla/);
});

test("connections that PostgreSQL ends under load cost nothing", async () => {
  const before = await servers.count("session_activities");
  const { activities } = await publishTraffic(2);
  const service = await startService({ BATCH_RECORDS_MAX: "500" });
  for (let i = 1; i <= 3; i++) {
    const enough = before + (activities * i) / 5;
    await until(
      "it wrote a part",
      async () => (await servers.count("session_activities")) >= enough,
    );
    await servers.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'vigie-session-sink' and datname = current_database()`,
    );
  }
  const whole = before + activities;
  await until("it wrote all", async () => (await servers.count("session_activities")) >= whole);
  assert.equal(await servers.count("session_activities"), whole);
  assert.equal(await kill(service, "SIGTERM"), 0, service.log());
});

test("OBS-05: a server that is away at the start is named by /health, and SIGTERM ends the waiting", async () => {
  const away = { KAFKA_BROKERS: "127.0.0.1:1", DATABASE_URL: "postgres://vigie@127.0.0.1:1/vigie" };
  const service = await startService(away);
  type Body = {
    readonly parts: Record<string, { readonly status: string; readonly why?: string }>;
  };
  const partsOf = async () => ((await (await service.get("/health")).json()) as Body).parts;
  await until("both are known to be away", async () => {
    const { kafka, database } = await partsOf();
    return (
      /VIG_BROKER_AWAY/.test(kafka?.why ?? "") && /VIG_DATABASE_AWAY/.test(database?.why ?? "")
    );
  });
  assert.equal((await service.get("/healthz")).status, 503);
  assert.equal((await service.get("/livez")).status, 200);
  assert.equal(await kill(service, "SIGTERM"), 0, service.log());
});

test("OBS-05: a database that answers but takes nothing is told of, and stays told of", async () => {
  const service = await startService({ DATABASE_ROLE: "vigie_reader" });
  type Body = { readonly parts: Record<string, { readonly status: string }> };
  const statusOf = async (part: string) =>
    ((await (await service.get("/health")).json()) as Body).parts[part]?.status;
  await until(
    "the one is up, the other down",
    async () => (await statusOf("database")) === "up" && (await statusOf("writing")) === "down",
  );
  assert.equal((await service.get("/healthz")).status, 503);
  assert.equal(await kill(service, "SIGTERM"), 0, service.log());
});

test("commands, epochs, policies, acknowledgements and an erasure arrive, and the metrics tell of the delay", async () => {
  const nowMs = Date.now();
  const who = { tenant_id: "molam-gh", user_id: "kofi" };
  const begun = { ...who, session_id: "s-gh", created_at: nowMs, last_seen_at: nowMs };
  const service = await startService();
  await Promise.all([
    servers.publish("id.session.state", sessionState(nowMs, begun)),
    servers.publish("id.session.command", command(nowMs, who)),
    servers.publish("id.session.command.result", commandResult(nowMs, who)),
    servers.publish("id.session.revoked", revoked(nowMs, { ...who, revocation_id: "r-gh" })),
    servers.publish(
      "id.session.revocation_ack",
      ack(nowMs + 40, { ...who, revocation_id: "r-gh" }),
    ),
    servers.publish("id.session.epoch", epoch(nowMs, { tenant_id: who.tenant_id })),
    servers.publish("id.session.policy", policy(1, {}, who.tenant_id)),
  ]);
  const held = "sessions where user_key = 'kofi'";
  for (const table of [
    held,
    "session_commands where user_key = 'kofi' and decided_at = requested_at",
    "session_revocation_acks where revocation_id = 'r-gh' and delay_ms = 40",
    "session_epochs where tenant_key = 'molam-gh'",
    "session_policy_changes where tenant_key = 'molam-gh'",
  ]) {
    await until(table, async () => (await servers.count(table)) === 1);
  }
  const delays = /^id_revocation_ack_seconds_bucket\{le="0.05",enforcement_point="pay"\} 1$/m;
  const metrics = async () => (await service.get("/metrics")).text();
  await until("the delay is counted", async () => delays.test(await metrics()));
  // And when the person asks for it, all of it goes
  await servers.publish("id.subject.erasure", erasure(nowMs + 1, who));
  await until("it is done", async () => (await servers.count("erasure_parts")) === 1);
  assert.equal(await servers.count(held), 0);
  assert.equal(await servers.count("session_commands where user_key = 'kofi'"), 0);
  assert.equal(await kill(service, "SIGTERM"), 0, service.log());
  assert.doesNotMatch(service.log(), /kofi/);
});

/** What the process has taken so far. */
async function cpuSecondsOf(service: Service): Promise<number> {
  const text = await (await service.get("/metrics")).text();
  return Number(/^process_cpu_seconds_total (\S+)$/m.exec(text)?.[1]);
}

test("a backlog takes a core's second for 2,000 events at most", async () => {
  const before = await servers.count("session_activities");
  const { activities } = await publishTraffic(3);
  const service = await startService();
  await until("the first", async () => (await servers.count("session_activities")) > before);
  // CPU time, since tests share the cores with each other.
  const first = {
    s: await cpuSecondsOf(service),
    count: await servers.count("session_activities"),
  };
  const whole = before + activities;
  await until("it wrote all", async () => (await servers.count("session_activities")) >= whole);
  const cpuSeconds = (await cpuSecondsOf(service)) - first.s;
  const perSecond = Math.round((whole - first.count) / cpuSeconds);
  console.log(`session-sink: ${perSecond} activities a second of CPU, ${whole - first.count} read`);
  await kill(service, "SIGTERM");
  assert.ok(perSecond >= 2_000, `${perSecond} activities/s`);
});
