import assert from "node:assert/strict";
import { partitionOf, userKey } from "@vigie/core/keys";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import { afterAll, beforeAll, test } from "vitest";
import { type ForeignEvents, foreignEvents, PHONE } from "./support/events.ts";
import { type Load, startLoad } from "./support/load.ts";
import { type OwnServers, startOwnServers } from "./support/own-servers.ts";
import { openPipeline, type Pipeline, TENANT } from "./support/pipeline.ts";
import type { ServiceName } from "./support/processes.ts";
import { count, inRedis, sessionRow } from "./support/read-model.ts";
import type { ReadRecord } from "./support/topic-reader.ts";
import { until, untilTrue } from "./support/until.ts";

let servers: OwnServers;
let pipeline: Pipeline;
let events: ForeignEvents;
let load: Load;

beforeAll(async () => {
  servers = await startOwnServers();
  pipeline = await openPipeline(servers);
  events = await foreignEvents(pipeline.producer);
  load = startLoad(pipeline, events);
});
afterAll(async () => {
  await pipeline?.close();
  await servers?.close();
});

const DEADLINE_MS = 60_000;

const says = (name: ServiceName, part: string): Promise<void> =>
  untilTrue(
    `${name} says that ${part} is away`,
    async () => (await pipeline.service(name).partsDown()).includes(part),
    DEADLINE_MS,
  );

async function isWell(name: ServiceName): Promise<void> {
  const service = pipeline.service(name);
  let down: readonly string[] = [];
  try {
    await untilTrue(
      `${name} is well again`,
      async () => {
        down = await service.partsDown();
        return down.length === 0;
      },
      DEADLINE_MS,
    );
  } catch (cause) {
    throw new Error(`${name} lacks ${down}:\n${withoutRetries(service.output())}`, { cause });
  }
}

/** A user whose login is acknowledged from now on. */
async function nextUser(): Promise<string> {
  const before = load.byAvro.size;
  await untilTrue("the load goes on", () => load.byAvro.size > before + 1, DEADLINE_MS);
  return [...load.byAvro].at(-1) ?? "";
}

const isStored = (userId: string) =>
  until(`${userId} is in PostgreSQL`, () => sessionRow(pipeline, `s-${userId}`), DEADLINE_MS);

async function isLive(userId: string): Promise<void> {
  try {
    await untilTrue(
      `${userId} is in Redis`,
      async () => (await inRedis(pipeline, userId, `s-${userId}`)) === "active",
      DEADLINE_MS,
    );
  } catch (cause) {
    const services = ["sessions", "session-cache"] as const;
    const logs = services.map((name) => withoutRetries(pipeline.service(name).output()));
    throw new Error(`${userId} is not in Redis:\n${logs.join("\n")}`, { cause });
  }
}

test("with Redis away PostgreSQL is filled on, and a Redis that forgot is filled again", async () => {
  const early = await nextUser();
  await isLive(early);
  await servers.stop("redis");
  await says("session-cache", "redis");
  const during = await nextUser();
  await isStored(during);
  assert.deepEqual(await pipeline.service("session-sink").partsDown(), []);
  await servers.start("redis");
  await isWell("session-cache");
  await isLive(during);
  await isLive(early);
});

test("with PostgreSQL away Redis is filled on, and what was missed is stored afterwards", async () => {
  await servers.stop("postgres");
  await says("session-sink", "database");
  await says("audit-sink", "database");
  const during = await nextUser();
  await isLive(during);
  assert.deepEqual(await pipeline.service("session-cache").partsDown(), []);
  await servers.start("postgres");
  await isWell("session-sink");
  await isWell("audit-sink");
  await isStored(during);
});

test("with the registry away known schemas go on, also through a restart; an unknown one waits", async () => {
  await servers.stop("registry");
  const sessions = pipeline.service("sessions");
  assert.equal((await sessions.terminate()).code, 0);
  sessions.launch();
  const during = await nextUser();
  await isStored(during);

  // Whether a schema exists cannot be known now: the record waits, and so does what lies behind it.
  const userId = "u-unknown-schema";
  const record = events.login({ userId, ...PHONE });
  const value = Buffer.from(record.value ?? []);
  value.writeInt32BE(2_000_000_000, 1);
  await pipeline.producer.send("id.login", [{ key: record.key, value }, record]);
  await says("detector", "registry");
  await says("sessions", "registry");
  assert.equal(await sessionRow(pipeline, `s-${userId}`), null);

  await servers.start("registry");
  await isStored(userId);
  await isWell("detector");
  await isWell("sessions");
  const letters = await pipeline.reader.all("id.login.dlq");
  const codes = letters.map(({ headers }) => headers["vigie.error.code"]);
  assert.ok(codes.length > 0 && codes.every((code) => code === "VIG_RECORD_SCHEMA_UNKNOWN"));
});

test("with the broker away the edge answers 503, and everything goes on when it is back", async () => {
  const before = load.statuses.get(503) ?? 0;
  await servers.stop("kafka");
  for (const name of ["edge", "detector", "sessions", "session-sink", "session-cache"] as const) {
    await says(name, "kafka");
  }
  await untilTrue("the edge refuses", () => (load.statuses.get(503) ?? 0) > before, DEADLINE_MS);
  const refused = await pipeline.post("/v1/events/login", {
    tenant_id: TENANT,
    user_id: "u-refused",
    occurred_at: Date.now(),
    kind: "AUTH_FAIL",
    channel: "WEB",
  });
  assert.equal(refused.status, 503);
  assert.ok(Number(refused.headers.get("retry-after")) > 0);
  await servers.start("kafka");
  const after = await nextUser();
  await isStored(after);
  await isLive(after);
  for (const name of ["edge", "detector", "sessions", "session-sink", "session-cache"] as const) {
    await isWell(name);
  }
});

test("after all of it every acknowledged event has had its effect, once", async () => {
  await load.stop();
  const users = [...load.byHttp, ...load.byAvro];
  assert.ok(load.byHttp.size > 20 && load.byAvro.size > 20);
  const acknowledged = "sessions where user_key = any($1) and is_active";
  try {
    await untilTrue(
      "every session is stored",
      async () => (await count(pipeline, acknowledged, [users])) === users.length,
      DEADLINE_MS,
    );
  } catch (cause) {
    const services = ["sessions", "session-sink"] as const;
    const logs = services.map((name) => withoutRetries(pipeline.service(name).output()));
    const lost = JSON.stringify(await whereLost(users));
    throw new Error(`lost: ${lost}\n${logs.join("\n")}`, { cause });
  }
  for (const userId of users) await isLive(userId);
  const activities =
    "session_activities a join users u on u.id = a.user_id where a.activity_type = 'auth_success' and u.external_id = any($1)";
  assert.equal(await count(pipeline, activities, [users]), users.length);
  // A login that was answered 503 may have been written all the same; nobody else has a session.
  const strangers = "sessions where not user_key = any($1)";
  const known = [...users, "u-unknown-schema"];
  assert.equal(await count(pipeline, strangers, [known]), 0);
});

/** The end of a service's log, but for what every attempt during an outage says again. */
const withoutRetries = (log: string): string =>
  log
    .split("\n")
    .filter((line) => !line.includes('"sink.retry"'))
    .slice(-60)
    .join("\n");

/** Users without a session in PostgreSQL, each with what is known of them on the way there. */
async function whereLost(users: readonly string[]): Promise<object> {
  const { rows } = await pipeline.database.query<{ user_key: string; status: string }>(
    "select user_key, status from user_sessions where is_active",
  );
  const stored = new Set(rows.map(({ user_key }) => user_key));
  const onTopic = async (topic: string, user: (key: string) => string | undefined) =>
    new Map((await pipeline.reader.all(topic)).map((record) => [user(String(record.key)), record]));
  const logins = await onTopic("id.login", (key) => key.split("|")[1]);
  const states = await onTopic("id.session.state", (key) => key.split("|")[1]);
  const offsetOf = (record: ReadRecord | undefined) => record?.offset ?? null;
  const lost = users.filter((user) => !stored.has(user));
  return lost.map((user) => ({
    user,
    partition: partitionOf(userKey(TENANT, user), PARTITIONS_DEFAULT),
    loginOffset: offsetOf(logins.get(user)),
    stateOffset: offsetOf(states.get(user)),
  }));
}
