import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { silentLogger } from "@vigie/core/log";
import { deadLetterName, internals, topics } from "@vigie/schemas/catalogue";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { eventually } from "@vigie/testkit/eventually";
import { createIssuer } from "@vigie/testkit/issuer";
import { processEnv } from "@vigie/testkit/process-env";
import { type ServiceStack, serviceStack } from "@vigie/testkit/service-stack";
import { afterAll, beforeAll, test } from "vitest";
import { cacheName } from "#geo-context/person-cache";
import { keyOf, type Person, rowOf } from "#person";
import { placeTraces, positionTraces, type Traces, textTraces } from "./test-traces.ts";

/** PRV-06, PRV-10: what geo lets be found of where somebody was, in every store, topic and line that it writes. */

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "vigie-privacy-"));
const issuer = createIssuer();
const AWA: Person = { tenantId: "molam-sn", userId: "awa-7131" };
/** In Ziguinchor. */
const HERE = { lat: 12.583127, lon: -16.271943 };
const position = { latitude: HERE.lat, longitude: HERE.lon, accuracy: 10 };
const anyTrace = placeTraces(HERE, ["Ziguinchor"]);

let servers: ServiceStack;
let redis: RedisStore;
let child: ChildProcess;
let url = "";
let written = "";

beforeAll(async () => {
  const keys = join(folder, "keys.json");
  const secret = randomBytes(32).toString("base64");
  const key = { id: "k1", active_from: "2026-01-01T00:00:00Z", secret };
  writeFileSync(keys, JSON.stringify({ keys: [key] }), { mode: 0o600 });
  servers = await serviceStack();
  const { prefix, redis: address } = servers;
  redis = openRedis({ url: address, prefix, connectionName: "test", log: silentLogger });
  const env = {
    ...servers.env,
    ...processEnv,
    PORT: "0",
    HOST: "127.0.0.1",
    LOG_LEVEL: "debug",
    VIGIE_STATE_DIR: folder,
    VIGIE_KEYS_FILE: keys,
    JWT_PUBLIC_KEY: issuer.publicKeyPem,
  };
  child = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "pipe"] });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      written += chunk.toString();
    });
  }
  await eventually(async () => {
    url = /"url":"([^"]+)"/.exec(written)?.[1] ?? assert.fail(written);
    assert.match(await (await fetch(`${url}/health`)).text(), /"status":"healthy"/);
  });
}, 120_000);
afterAll(async () => {
  child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
  await redis.close();
  await servers.close();
});

async function call(method: string, path: string, body?: object | string) {
  const claims = { sub: AWA.userId, tenant_id: AWA.tenantId, user_type: "EXTERNAL", scope: "" };
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${issuer.token(claims)}`,
      ...(body !== undefined && { "content-type": "application/json" }),
    },
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

async function ok(method: string, path: string, body?: object) {
  const { status, text } = await call(method, path, body);
  assert.equal(status, 200, text);
  return JSON.parse(text);
}

/** Where a trace was found, as `postgres:<table>`, `redis:<key>`, `topic:<name>` or `log`. */
type Found = readonly string[];

async function inPostgres(traces: Traces): Promise<Found> {
  const tables = await servers.owner.query<{ name: string }>(
    `select relname as name from pg_class
      where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
      order by relname`,
  );
  const found: string[] = [];
  for (const { name } of tables.rows) {
    const { rows } = await servers.owner.query<{ row: string }>(
      `select t::text as row from "${name}" t`,
    );
    for (const { row } of rows) {
      const [trace] = traces.in(row);
      if (trace !== undefined) found.push(`postgres:${name}: ${trace}`);
    }
  }
  return found;
}

const READ: Readonly<Record<string, readonly string[]>> = {
  hash: ["HGETALL"],
  zset: ["ZRANGE", "0", "-1"],
  string: ["GET"],
  set: ["SMEMBERS"],
  list: ["LRANGE", "0", "-1"],
};

async function inRedis(traces: Traces): Promise<Found> {
  const found: string[] = [];
  let cursor = "0";
  do {
    const page = await redis.command("SCAN", cursor, "MATCH", `*${servers.prefix}*`, "COUNT", 1e3);
    const [next, keys] = page as [string, string[]];
    cursor = next;
    for (const key of keys) {
      const [name = "", ...rest] = READ[String(await redis.command("TYPE", key))] ?? [];
      if (name === "") continue;
      const value = JSON.stringify(await redis.command(name, key, ...rest));
      // A marker that nothing may be remembered yet says nothing else, and is gone in seconds.
      if (value === '"-"') continue;
      const [trace] = traces.in(key + value);
      if (trace !== undefined) found.push(`redis: ${trace}`);
    }
  } while (cursor !== "0");
  return found;
}

const topicNames = [
  ...Object.entries(topics).flatMap(([name, { deadLetters }]) =>
    deadLetters ? [name, deadLetterName(name)] : [name],
  ),
  ...Object.keys(internals),
];

async function inTopics(traces: Traces): Promise<Found> {
  const found: string[] = [];
  for (const name of topicNames) {
    for (const { key, value, headers } of await servers.readAll(name)) {
      const all = [key, value, ...headers.map((header) => header.value)];
      const [trace] = all.flatMap((bytes) => traces.in(bytes ?? ""));
      if (trace !== undefined) found.push(`topic:${name}: ${trace}`);
    }
  }
  return found;
}

const inLog = (traces: Traces): Found => traces.in(written).map((trace) => `log: ${trace}`);

const everywhere = async (traces: Traces): Promise<Found> => [
  ...(await inPostgres(traces)),
  ...(await inRedis(traces)),
  ...(await inTopics(traces)),
  ...inLog(traces),
];

const where = (found: Found): readonly string[] => [
  ...new Set(found.map((each) => each.slice(0, each.lastIndexOf(": ")))),
];

const recordsOf = async (topic: string): Promise<number> => (await servers.readAll(topic)).length;

test("PRV-06: without opt-in no position, nor anything that follows from one, is stored, logged or published", async () => {
  const sim = { mcc: 608, mnc: 1 };
  const answer = await ok("POST", "/v1/geo/context", { ...position, ...sim });
  assert.equal(answer.gps, "refused");
  assert.equal(answer.context.source, "sim");
  // Said in whatever way, and where it does not belong
  const query = `?latitude=${HERE.lat}&longitude=${HERE.lon}`;
  const odd: [string, string, (object | string)?][] = [
    ["POST", `/v1/geo/context${query}`, sim],
    ["POST", "/v1/geo/context", { ...position, altitude: HERE.lat }],
    ["POST", "/v1/geo/context", { ...position, latitude: `${HERE.lat}N` }],
    ["POST", "/v1/geo/context", { ...position, longitude: HERE.lon - 1_000 }],
    ["POST", "/v1/geo/context", `{"latitude":${HERE.lat},"longitude":${HERE.lon}`],
    ["POST", "/v1/geo/detect", { ...position, mcc: 608 }],
    ["PUT", "/v1/geo/prefs", { gpsOptIn: false, ...position }],
    ["GET", `/v1/geo/context${query}`],
    ["GET", `/v1/geo/prefs/${HERE.lat},${HERE.lon}`],
  ];
  for (const each of odd) await call(...each);
  for (const path of ["context", "prefs", "events", "positions"]) {
    assert.deepEqual(anyTrace.in((await call("GET", `/v1/geo/${path}`)).text), []);
  }
  assert.ok((await recordsOf("id.geo")) > 0, "what was published is there to be searched");
  // Lines of requests are gathered; that of the last call comes last.
  const lastCall = textTraces(["/v1/geo/positions"]);
  await eventually(() => assert.equal(inLog(lastCall).length, 1, "and so is the log"));
  assert.deepEqual(await everywhere(anyTrace), []);
});

test("the search finds what is planted, wherever it is", async () => {
  const insert = `insert into molam_geo_events
      (tenant_id, user_id, id, event_type, occurred_at, details)
    values ($1, $1, $1, 'location_captured', now(), $2)`;
  const id = rowOf({ ...AWA, userId: "planted" }).userId;
  await servers.owner.query(insert, [id, JSON.stringify({ at: `${HERE.lat}` })]);
  assert.deepEqual(where(await inPostgres(anyTrace)), ["postgres:molam_geo_events"]);
  await servers.owner.query("delete from molam_geo_events where id = $1", [id]);
  const key = redis.key("vigie:planted");
  await redis.command("HSET", key, "place", "edhrt");
  assert.deepEqual(await inRedis(anyTrace), ["redis: geohash"]);
  await redis.command("DEL", key);
  assert.deepEqual(await everywhere(anyTrace), []);
});

test("PRV-07: with opt-in others are told of its cell, and the position itself lies nowhere in clear", async () => {
  await ok("PUT", "/v1/geo/prefs", { gpsOptIn: true, precisionLevel: "city" });
  const before = await recordsOf("id.geo");
  const answer = await ok("POST", "/v1/geo/context", position);
  assert.deepEqual([answer.gps, answer.context.city], ["used", "Ziguinchor"]);
  // Nothing is remembered for some seconds after a change: as if they had passed.
  await redis.command("DEL", redis.key(cacheName(AWA)));
  await ok("GET", "/v1/geo/context");
  await eventually(async () => assert.equal(await recordsOf("id.geo.prefs"), 1));
  assert.equal(await recordsOf("id.geo"), before + 1);
  const vault = await servers.owner.query("select 1 from molam_gps_ephemeral");
  assert.equal(vault.count, 1);
  const { positions } = await ok("GET", "/v1/geo/positions");
  assert.partialDeepStrictEqual(positions, [position]);
  assert.deepEqual(await everywhere(positionTraces(HERE)), []);
  // The cell is where it should be, and no finer one anywhere
  assert.deepEqual(where(await everywhere(anyTrace)), [
    "postgres:molam_geo_events",
    "postgres:molam_geo_last_context",
    "redis",
    "topic:id.geo",
  ]);
  assert.deepEqual(await everywhere(textTraces(["edhrtd"])), []);
});

test("PRV-10: after DELETE nothing of where the person was is left in PostgreSQL or Redis", async () => {
  const { erased } = await ok("DELETE", "/v1/geo/prefs");
  assert.deepEqual([erased.preferences, erased.lastContext, erased.gpsPositions], [1, 1, 1]);
  assert.ok(erased.placesOfEvents > 0);
  await eventually(async () => assert.equal(await recordsOf("id.geo.prefs"), 2));
  const told = (await servers.readAll("id.geo.prefs")).at(-1);
  assert.deepEqual([String(told?.key), told?.value], [keyOf(AWA), null]);
  assert.deepEqual(where(await everywhere(anyTrace)), ["topic:id.geo"]);
  assert.equal((await call("GET", "/v1/geo/context")).status, 404);
  assert.deepEqual((await ok("GET", "/v1/geo/positions")).positions, []);
  assert.equal((await ok("GET", "/v1/geo/prefs")).prefs.gpsOptIn, false);
  // A position that is sent now is refused again
  assert.equal((await ok("POST", "/v1/geo/context", position)).gps, "refused");
  assert.deepEqual([...(await inPostgres(anyTrace)), ...(await inRedis(anyTrace))], []);
});
