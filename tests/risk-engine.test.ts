import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { loadContracts } from "@vigie/schemas/contracts";
import { sampleAnomaly } from "@vigie/schemas/samples";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { test } from "vitest";
import { DAKAR, MINUTE, PARIS } from "./support/events.ts";
import { ownRecords } from "./support/own-records.ts";
import { TENANT } from "./support/pipeline.ts";
import { values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until } from "./support/until.ts";

/** A risk engine of another team, in another language, on what Vigie publishes: examples/python. */

const ENGINE = join(import.meta.dirname, "..", "examples", "python", "risk_engine.py");
const TOPIC = "id.session.anomaly";

const { servers, pipeline, events } = await testPipeline(["detector"]);
const { encode } = await ownRecords(pipeline, [TOPIC]);

const planted = (anomaly_id: string, over: Partial<SessionAnomaly> = {}): SessionAnomaly =>
  sampleAnomaly(Date.now(), {
    anomaly_id,
    tenant_id: TENANT,
    user_id: "planted",
    kind: "geo_block",
    severity: "CRITICAL",
    risk_score: 90,
    action: "BLOCK",
    ...over,
  });

const key = `${TENANT}|planted`;
const send = (value: Buffer) => pipeline.producer.send(TOPIC, [{ key, value }]);

/** A record of a version of the contract that is still to come: one field more, and a kind that nobody knows. */
async function ofTheFuture(anomaly: SessionAnomaly): Promise<Buffer> {
  const schema = JSON.parse(loadContracts().get(TOPIC)?.text ?? "");
  schema.fields.push({ name: "note", type: "string", default: "", doc: "Of the future." });
  const subject = `${servers.registry}/subjects/${pipeline.prefix}${TOPIC}-value/versions`;
  const response = await fetch(subject, {
    method: "POST",
    headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
    body: JSON.stringify({ schema: JSON.stringify(schema) }),
  });
  const { id } = (await response.json()) as { id: number };
  const bytes = encode(TOPIC, anomaly);
  bytes.writeUInt32BE(id, 1);
  // A text of two characters, as Avro writes it, behind the fields that were there before.
  return Buffer.concat([bytes, Buffer.from([4]), Buffer.from("hi")]);
}

/** Writes a record in a transaction that is given up. */
async function sendAndAbort(value: Buffer): Promise<void> {
  // Once Vigie's packages have loaded the library: they refuse one that somebody else loaded first.
  const { Kafka, logLevel } = await import("kafkajs");
  const brokers = [servers.kafka];
  const kafka = new Kafka({ clientId: "given-up", brokers, logLevel: logLevel.NOTHING });
  const producer = kafka.producer({
    transactionalId: `${pipeline.prefix}given-up`,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic: pipeline.prefix + TOPIC, messages: [{ key, value }] });
  await transaction.abort();
  await producer.disconnect();
}

interface Line {
  readonly anomaly_id: string;
  readonly kind: string;
  readonly done: string;
  readonly page_somebody: boolean;
  readonly user_risk: number;
}

/** Runs the engine over what is there now. */
async function engine(): Promise<{ readonly lines: readonly Line[]; readonly errors: string }> {
  const child = spawn("python3", [ENGINE, "--until-end"], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      KAFKA_BROKERS: servers.kafka,
      SCHEMA_REGISTRY_URL: servers.registry,
      ANOMALY_TOPIC: pipeline.prefix + TOPIC,
      GROUP_ID: `${pipeline.prefix}risk-engine`,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  let [text, errors] = ["", ""];
  child.stdout.on("data", (chunk) => {
    text += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    errors += String(chunk);
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0, errors);
  const lines = text.split("\n").filter((line) => line !== "");
  return { lines: lines.map((line) => JSON.parse(line) as Line), errors };
}

const shortly = ({ anomaly_id, done, page_somebody, user_risk }: Line) =>
  [anomaly_id, done, page_somebody, user_risk] as const;

/** Null: Python can run the engine here; else why it cannot. */
function missing(): string | null {
  const { error, stderr } = spawnSync("python3", ["-c", "import confluent_kafka, fastavro"]);
  if (error !== undefined) return `python3 does not run: ${error.message}`;
  return String(stderr).trim().split("\n").at(-1) || null;
}

test("ANO-15: an engine that shares no code reads, decodes and acts on what Vigie publishes", async ({
  skip,
}) => {
  const why = missing();
  // Counted as skipped: a machine without its packages has tried nothing.
  skip(why !== null, `${why}; see examples/python/README.md`);
  // Given a journey that nobody can have made, found by the detector
  const user = { userId: "traveller" };
  await pipeline.producer.send("id.login", [
    events.login({ ...user, ...DAKAR, occurredAt: Date.now() - 30 * MINUTE }),
    events.login({ ...user, ...PARIS }),
  ]);
  const found = await until("the journey is found", async () =>
    (await values<SessionAnomaly>(pipeline, TOPIC)).find(
      (each) => each?.kind === "impossible_travel",
    ),
  );
  // When the engine reads it
  const first = await engine();
  // Then it acts on it, once
  assert.deepEqual(first.lines.map(shortly), [[found?.anomaly_id, "watched", true, 95]]);
  assert.deepEqual((await engine()).lines, []);

  // Given what must not be acted on, and what must
  await send(encode(TOPIC, planted("shadow", { mode: "SHADOW" })));
  await send(encode(TOPIC, planted("blocked")));
  await send(encode(TOPIC, planted("blocked")));
  await send(Buffer.from("not avro"));
  await sendAndAbort(encode(TOPIC, planted("given-up")));
  await send(
    await ofTheFuture(planted("future", { kind: "time_travel", severity: "LOW", risk_score: 10 })),
  );
  await send(encode(TOPIC, planted("retraction", { retracts: "blocked" })));
  // When the engine goes on after its offsets, its cases being in memory of one process
  const second = await engine();
  // Then each has its fate
  assert.deepEqual(second.lines.map(shortly), [
    ["shadow", "studied", false, 0],
    ["blocked", "case_opened", true, 90],
    ["blocked", "known", false, 90],
    ["future", "case_opened", false, 90],
    ["retraction", "withdrawn", false, 10],
  ]);
  assert.match(second.errors, /^left out: .*: not in Confluent's wire format\n$/);
});
