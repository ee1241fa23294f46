import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { partitionOf } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import type { TopicName } from "@vigie/schemas/catalogue";
import { openCodecs } from "@vigie/schemas/codecs";
import { SAMPLE_KEY, sampleHeartbeat, sampleLogin } from "@vigie/schemas/samples";
import type { AnomalyLabel, GeoEvent, GeoPrefs, LoginEvent } from "@vigie/schemas/types";
import { openBatchingProducer } from "@vigie/stream/kafka/producer";
import { eventually } from "@vigie/testkit/eventually";
import { processEnv } from "@vigie/testkit/process-env";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { anomalyRow } from "./inventory/test-tables.ts";
import { AUDIENCE, ISSUER } from "./test-edge.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });

let servers: ServiceStack;
let stateDir: string;
let edge: Running;
/** Whatever fails, they go at the end. */
const processes: ChildProcess[] = [];

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly lines: readonly string[];
}

beforeAll(async () => {
  servers = await serviceStack();
  stateDir = await mkdtemp(join(tmpdir(), "vigie-edge-"));
  edge = await startEdge();
  const ready = async () => assert.equal((await fetch(`${edge.url}/healthz`)).status, 200);
  await eventually(ready);
});
afterAll(async () => {
  for (const child of processes) child.kill("SIGKILL");
  await rm(stateDir, { recursive: true, force: true });
  await servers.close();
});

/** The service as it runs: one process, configured by its environment. */
async function startEdge(overrides: Record<string, string> = {}): Promise<Running> {
  const env = {
    ...servers.env,
    ...processEnv,
    PORT: "0",
    HOST: "127.0.0.1",
    VIGIE_STATE_DIR: stateDir,
    JWT_PUBLIC_KEY: publicKey.export({ type: "spki", format: "pem" }).toString(),
    ...overrides,
  };
  const child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  processes.push(child);
  const listening = Promise.withResolvers<string>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    const said = JSON.parse(line);
    if (said.event === "listening") listening.resolve(said.url);
  });
  child.once("exit", (code) => listening.reject(new Error(`the edge ended with ${code}`)));
  const url = await listening.promise;
  return { child, url, lines };
}

function bearer(scope: string): Promise<string> {
  const claims = {
    sub: "auth-gateway",
    tenant_id: sampleLogin.tenant_id,
    type: "access",
    scope,
  };
  return new SignJWT(claims)
    .setProtectedHeader({ alg: "RS256" })
    .setAudience(AUDIENCE)
    .setIssuer(ISSUER)
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(privateKey);
}

async function post(
  path: string,
  body: object,
  to: Running = edge,
  scope = "events:write",
): Promise<Response> {
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${await bearer(scope)}`,
  };
  return fetch(to.url + path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** In order, and with nothing that went wrong; what it said tells what did. */
async function stop({ child, lines }: Running): Promise<void> {
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "exit"), [0, null], lines.join("\n"));
}

/** What any service would read, by the registry alone. */
async function decodedOf<T>(topic: TopicName, value: Buffer | null): Promise<T> {
  const codecs = await openCodecs({
    registryUrl: servers.registry,
    cacheDir: stateDir,
    prefix: servers.prefix,
    log: silentLogger,
  });
  try {
    const decoder = codecs.decoder<T>(topic);
    let decoded = decoder.decode(value ?? Buffer.alloc(0));
    if (decoded.kind === "later") {
      await decoded.ready;
      decoded = decoder.decode(value ?? Buffer.alloc(0));
    }
    assert.ok(decoded.kind === "ok", decoded.kind);
    return decoded.value;
  } finally {
    codecs.close();
  }
}

test("a login posted over HTTP lies in Kafka where the answer says, readable by its contract", async () => {
  const occurredAt = Date.now();
  const response = await post("/v1/events/login", { ...sampleLogin, occurred_at: occurredAt });
  const receipt = (await response.json()) as { partition: number; offset: number; topic: string };
  assert.equal(response.status, 202, JSON.stringify(receipt));
  assert.equal(receipt.topic, `${servers.prefix}id.login`);
  assert.equal(receipt.partition, partitionOf(SAMPLE_KEY, 6));
  const records = await servers.readAll("id.login");
  const record = records.find(({ offset }) => offset === receipt.offset);
  assert.equal(record?.partition, receipt.partition);
  assert.equal(String(record?.key), SAMPLE_KEY);
  const decoded = await decodedOf<LoginEvent>("id.login", record?.value ?? null);
  assert.partialDeepStrictEqual(decoded, {
    event_id: sampleLogin.event_id,
    occurred_at: occurredAt,
    sim: sampleLogin.sim,
  });
});

/** As geo tells it. */
async function consent(userId: string, precision: number): Promise<void> {
  const { client, registry, prefix } = servers;
  const about = { cacheDir: stateDir, prefix, log: silentLogger };
  const codecs = await openCodecs({ registryUrl: registry, ...about });
  const producer = await openBatchingProducer(client);
  try {
    const tenant_id = sampleLogin.tenant_id;
    const encoder = codecs.encoder<GeoPrefs>("id.geo.prefs");
    await codecs.ready();
    const prefs = { tenant_id, user_id: userId, gps_opt_in: false, precision, updated_at: 1 };
    const value = Buffer.from(encoder.encode(prefs));
    await producer.publish({
      topic: `${prefix}id.geo.prefs`,
      key: `${tenant_id}|${userId}`,
      value,
    });
  } finally {
    await producer.close();
    codecs.close();
  }
}

test("a place posted over HTTP goes on no finer than its person consents to", async () => {
  await consent("usr_coarse", 2);
  const cut = async (): Promise<void> => {
    const { location: given } = sampleLogin;
    const own = { user_id: "usr_coarse", occurred_at: Date.now(), channel: "MOBILE" };
    const response = await post("/v1/events/geo", { ...own, location: given });
    const { offset, partition } = (await response.json()) as { partition: number; offset: number };
    const record = (await servers.readAll("id.geo")).find(
      (each) => each.offset === offset && each.partition === partition,
    );
    const decoded = await decodedOf<GeoEvent>("id.geo", record?.value ?? null);
    const location = { lat: 14.0625, lon: -16.875, city: null };
    assert.partialDeepStrictEqual(decoded, { location, geohash: "ed" });
  };
  await eventually(cut);
});

test("RMP-02: a verdict posted over HTTP lies in Kafka soon after its commit", async () => {
  const { owner } = servers;
  const tenantId = sampleLogin.tenant_id;
  const row = anomalyRow("a-1");
  await owner.query("insert into tenants (id, slug, name) values ($1, $2, $2)", [
    row.tenant_id,
    tenantId,
  ]);
  await owner.query("insert into users (id, tenant_id, external_id) values ($1, $2, 'usr_1')", [
    row.user_id,
    row.tenant_id,
  ]);
  await owner.query(
    `insert into session_anomalies
     select (jsonb_populate_record(null::session_anomalies, $1::jsonb)).*`,
    [JSON.stringify(row)],
  );
  const path = "/api/id/admin/anomalies/a-1/label";
  const response = await post(path, { label: "true_positive" }, edge, "id:admin");
  assert.equal(response.status, 200, await response.text());
  const told = async () => {
    const [record] = await servers.readAll("id.anomaly.label");
    assert.equal(String(record?.key), `${tenantId}|usr_1`);
    const label = await decodedOf<AnomalyLabel>("id.anomaly.label", record?.value ?? null);
    assert.partialDeepStrictEqual(label, { anomaly_id: "a-1", label: "TRUE_POSITIVE" });
  };
  await eventually(told);
});

test("a stream of the running edge is told of an epoch that is decided after its hello", async () => {
  const socket = new WebSocket(`${edge.url.replace("http", "ws")}/v1/stream`);
  const told: { readonly type: string }[] = [];
  socket.addEventListener("message", ({ data }) => told.push(JSON.parse(String(data))));
  await once(socket, "open");
  socket.send(JSON.stringify({ type: "auth", token: await bearer("id:admin"), of: "tenant" }));
  await expect.poll(() => told.map(({ type }) => type)).toEqual(["hello"]);
  const decided = await post(
    "/api/id/admin/sessions/revoke",
    { filter: { org_id: "pay" } },
    edge,
    "id:admin",
  );
  const { epoch_id } = (await decided.json()) as { epoch_id: string };
  assert.equal(decided.status, 200);
  await expect.poll(() => told[1]).toMatchObject({ type: "epoch", epoch_id });
  socket.close();
  await once(socket, "close");
});

test("its stores, its outbox and the policies in force are parts of its health", async () => {
  const isUp = async () => {
    const { parts } = (await (await fetch(`${edge.url}/health`)).json()) as {
      parts: Record<string, { status: string; needed: boolean }>;
    };
    for (const name of ["database", "outbox", "policies"]) {
      assert.partialDeepStrictEqual(parts[name], { status: "up", needed: false }, name);
    }
  };
  await eventually(isUp);
  const metrics = await (await fetch(`${edge.url}/metrics`)).text();
  assert.match(metrics, /^vigie_outbox_leads 1$/m);
  assert.match(metrics, /^vigie_outbox_lag_seconds 0$/m);
});

test("a batch over HTTP lies in Kafka, a refused item does not", async () => {
  const event = { ...sampleHeartbeat, occurred_at: Date.now() };
  const items = [
    { type: "heartbeat", event },
    { type: "heartbeat", event: { ...event, channel: "FAX" } },
  ];
  const response = await post("/v1/events", { items });
  assert.equal(response.status, 207);
  assert.equal((await servers.readAll("id.heartbeat")).length, 1);
});

test("OBS-01, OBS-04, OBS-10: metrics and one line a request, without personal data", async () => {
  const metrics = await (await fetch(`${edge.url}/metrics`)).text();
  const counted = /http_requests_total\{method="POST",route="\/v1\/events\/login",status="202"\} 1/;
  assert.match(metrics, counted);
  assert.match(metrics, /vigie_dependency_up\{name="kafka"\} 1/);
  await expect.poll(() => edge.lines.some((line) => line.includes("/v1/events/login"))).toBe(true);
  const [line] = edge.lines.filter((text) => text.includes("/v1/events/login"));
  assert.partialDeepStrictEqual(JSON.parse(line ?? ""), {
    level: "info",
    service: "edge",
    method: "POST",
    route: "/v1/events/login",
    status: 202,
    tenant: sampleLogin.tenant_id,
    client: "auth-gateway",
  });
  for (const personal of [sampleLogin.user_id, "41.82", "Mozilla", "eyJ"]) {
    assert.ok(!edge.lines.some((text) => text.includes(personal)), personal);
  }
});

test("with the broker away: 503 and when to come back, unready but alive", async () => {
  const away = { KAFKA_BROKERS: "127.0.0.1:1", PRODUCE_TIMEOUT_MS: "300" };
  const lonely = await startEdge(away);
  const known = async () => {
    const body = { ...sampleLogin, occurred_at: Date.now() };
    const response = await post("/v1/events/login", body, lonely);
    const problem = (await response.json()) as { code: string };
    assert.equal(response.status, 503);
    assert.equal(response.headers.get("retry-after"), "2");
    assert.equal(problem.code, "VIG_BROKER_AWAY");
  };
  await eventually(known);
  const { down } = (await (await fetch(`${lonely.url}/healthz`)).json()) as { down: string[] };
  assert.ok(down.includes("kafka"), down.join());
  assert.equal((await fetch(`${lonely.url}/livez`)).status, 200);
  await stop(lonely);
});

test("with the registry away at the first start: 503, unready but alive", async () => {
  const folder = join(stateDir, "fresh");
  const away = { SCHEMA_REGISTRY_URL: "http://127.0.0.1:1", VIGIE_STATE_DIR: folder };
  const lonely = await startEdge(away);
  const response = await post("/v1/events/login", sampleLogin, lonely);
  assert.equal(response.status, 503);
  assert.equal(((await response.json()) as { code: string }).code, "VIG_REGISTRY_AWAY");
  const { down } = (await (await fetch(`${lonely.url}/healthz`)).json()) as { down: string[] };
  assert.ok(
    ["registry", "schemas"].every((part) => down.includes(part)),
    down.join(),
  );
  assert.equal((await fetch(`${lonely.url}/livez`)).status, 200);
  await stop(lonely);
});

test("with the registry away later what it said is on disk, and events are taken", async () => {
  const lonely = await startEdge({ SCHEMA_REGISTRY_URL: "http://127.0.0.1:1" });
  const taken = async () => {
    const body = { ...sampleLogin, occurred_at: Date.now() };
    assert.equal((await post("/v1/events/login", body, lonely)).status, 202);
  };
  await eventually(taken);
  await eventually(async () => {
    const response = await fetch(`${lonely.url}/healthz`);
    assert.equal(response.status, 200, await response.text());
  });
  const { status } = (await (await fetch(`${lonely.url}/health`)).json()) as { status: string };
  assert.equal(status, "degraded");
  await stop(lonely);
});

test("SIGTERM answers what is in flight and exits 0", async () => {
  const inFlight = Array.from({ length: 20 }, () =>
    post("/v1/events/login", { ...sampleLogin, occurred_at: Date.now() }),
  );
  await Promise.race(inFlight);
  edge.child.kill("SIGTERM");
  const [code] = await once(edge.child, "exit");
  const statuses = (await Promise.allSettled(inFlight)).map((fate) =>
    fate.status === "fulfilled" ? fate.value.status : "refused",
  );
  assert.equal(code, 0);
  const acknowledged = statuses.filter((status) => status === 202).length;
  assert.ok(acknowledged > 0);
  assert.ok((await servers.readAll("id.login")).length >= 1 + acknowledged);
});
