import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { silentLogger } from "@vigie/core/log";
import { internalTopic } from "@vigie/schemas/catalogue";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { registerSchemas } from "@vigie/schemas/provision";
import type { AuditEvent, SessionAnomaly } from "@vigie/schemas/types";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";
import { type Database, openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import { type KafkaAdmin, openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { type BatchingProducer, openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { processEnv } from "@vigie/testkit/process-env";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROLE } from "./guard.ts";
import { auditTopics } from "./sink.ts";
import { expectSound, leavesOf } from "./test-store.ts";
import { anomaly, auditEvent, SECRET } from "./testing.ts";

const root = resolve(import.meta.dirname, "../../..");
const ORIGIN = "log.example/audit";
const PARTITIONS = 6;

let servers: TestStack;
let admin: KafkaAdmin;
let producer: BatchingProducer;
let codecs: Codecs;
let database: Database;
let folder: string;
let topics: string[];
const children = new Set<ChildProcess>();

beforeAll(async () => {
  servers = await stack();
  folder = mkdtempSync(join(tmpdir(), "vigie-audit-"));
  createKeysFile(join(folder, "keys.json"), 0);
  createSigningKey(join(folder, "checkpoints.key"), ORIGIN);
  const { prefix } = servers;
  const client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  admin = await openAdmin(client);
  topics = auditTopics.flatMap((topic) => [`${prefix}${topic}`, `${prefix}${topic}.dlq`]);
  await admin.createTopics(topics.map((topic) => ({ topic, partitions: PARTITIONS })));
  const checkpoints = `${prefix}id.audit.checkpoint`;
  await admin.createTopics([{ ...internalTopic("id.audit.checkpoint"), topic: checkpoints }]);
  topics.push(checkpoints);
  await registerSchemas({ registryUrl: servers.registry, prefix });
  const schema = schemaOf(prefix);
  const wanted = ["platform", "audit-sink", "session-sink"];
  const folders = migrationFolders(root).filter(({ owner }) => wanted.includes(owner));
  await migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  database = openDatabase({
    url: servers.postgres,
    applicationName: "test",
    schema,
    statementTimeoutMs: 20_000,
    poolMax: 2,
    log: silentLogger,
  });
  producer = await openBatchingProducer(client);
  codecs = await openCodecs({
    registryUrl: servers.registry,
    cacheDir: join(folder, "schemas"),
    prefix,
    log: silentLogger,
  });
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  codecs.close();
  await producer.close();
  await admin.deleteTopics(topics);
  await admin.close();
  await database.query(`drop schema "${schemaOf(servers.prefix)}" cascade`);
  await database.close();
  rmSync(folder, { recursive: true });
  await servers.close();
});

/** The service as it runs, in a process of its own. */
async function startService(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [join(root, "services/audit-sink/src/main.ts")], {
    env: {
      ...processEnv,
      ...servers.env,
      VIGIE_STATE_DIR: join(folder, "state"),
      VIGIE_KEYS_FILE: join(folder, "keys.json"),
      AUDIT_ORIGIN: ORIGIN,
      AUDIT_SIGNING_KEY_FILE: join(folder, "checkpoints.key"),
      WORM_SIGNING_SECRET: SECRET,
      METRICS_PORT: "0",
      HOST: "127.0.0.1",
      // Many small transactions, so that a kill falls between any two steps.
      BATCH_RECORDS_MAX: "20",
      BATCH_MS: "0",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const { event, metricsPort } = JSON.parse(line) as { event: string; metricsPort: number };
    if (event === "started") return { child, url: `http://127.0.0.1:${metricsPort}` };
  }
  throw new Error("the service ended before it had started");
}

/** Publishes `count` audit events and an anomaly for every tenth, with garbage among them. */
async function publish(from: number, count: number): Promise<void> {
  const audit = codecs.encoder<AuditEvent>("id.audit");
  const anomalies = codecs.encoder<SessionAnomaly>("id.session.anomaly");
  await codecs.ready();
  const topic = (name: string) => servers.prefix + name;
  await Promise.all(
    Array.from({ length: count }, (_, i) => {
      const number = from + i;
      const partition = number % PARTITIONS;
      const emitter = `edge.${partition}`;
      const record = { topic: topic("id.audit"), partition, key: emitter };
      const emitter_seq = Math.floor(number / PARTITIONS) + 1;
      const event = auditEvent(number, { emitter, emitter_seq });
      const sent = [producer.publish({ ...record, value: audit.encode(event) })];
      if (number % 10 === 0) {
        const value = anomalies.encode(anomaly(number));
        const found = { topic: topic("id.session.anomaly"), partition, key: "molam-sn|u-1", value };
        sent.push(producer.publish(found));
      }
      if (number % 500 === 250) sent.push(producer.publish({ ...record, value: Buffer.from("x") }));
      return Promise.all(sent);
    }),
  );
}

async function entries(): Promise<number> {
  const { rows } = await database.query<{ n: number }>("select count(*) as n from audit_leaves");
  return rows[0]?.n ?? 0;
}

async function searchable(): Promise<number> {
  const { rows } = await database.query<{ n: number }>("select count(*) as n from audit_log");
  return rows[0]?.n ?? 0;
}

test("each event is appended once and in order, however often the service is killed", async () => {
  const EVENTS = 1_500;
  await publish(0, EVENTS);
  for (const share of [0.1, 0.35, 0.6]) {
    const { child } = await startService();
    await eventually(async () => expect(await entries()).toBeGreaterThan(share * EVENTS));
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  const { child, url } = await startService();
  const all = EVENTS + EVENTS / 10;
  await eventually(async () => expect(await entries()).toBe(all));
  await publish(EVENTS, 10);
  await eventually(async () => expect(await entries()).toBe(all + 11));
  await eventually(async () => expect(await searchable()).toBe(all + 11));

  await expectSound({ owner: database });
  const leaves = await leavesOf({ owner: database });
  expect(new Set(leaves.map(({ id }) => id)).size).toBe(all + 11);
  const bySource = Map.groupBy(leaves, ({ source }) => `${source.topic}/${source.partition}`);
  for (const [name, those] of bySource) {
    const offsets = those.map(({ source }) => source.offset);
    expect(offsets, name).toEqual(offsets.toSorted((one, other) => one - other));
  }
  const dead = await admin.endOffsets(`${servers.prefix}id.audit.dlq`);
  // A kill between the dead letter and the commit writes it again, never loses it.
  expect(dead.reduce((sum, offset) => sum + offset, 0)).toBeGreaterThanOrEqual(3);

  await tellsOfItself(url);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
});

async function tellsOfItself(url: string): Promise<void> {
  const health = (await (await fetch(`${url}/health`)).json()) as {
    status: string;
    parts: object;
  };
  expect(health.status).toBe("healthy");
  expect(health.parts).toMatchObject({ log: { status: "up" }, checkpoints: { status: "up" } });
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(metrics).toMatch(/vigie_audit_records_total\{outcome="appended"\} \d+/);
  expect(metrics).toMatch(/vigie_audit_leaves \d+/);
  expect(metrics).toMatch(/vigie_audit_signs 1/);
  // Of the thread that fills what is searched.
  expect(metrics).toMatch(/vigie_audit_projection_lag_leaves 0/);
  expect(metrics).toMatch(/vigie_audit_checkpoint_seconds_count \d+/);
  expect(metrics).toMatch(/vigie_consumer_lag_records\{topic="id.audit",partition="0"\} \d+/);
}

test("a service whose role may change the log does not start", async () => {
  await database.query(`grant update on audit_leaves to ${ROLE}`);
  const { child } = await startService();
  expect(await once(child, "exit")).toEqual([1, null]);
  await database.query(`revoke update on audit_leaves from ${ROLE}`);
});
