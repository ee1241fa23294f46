import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import {
  changelogs,
  deadLetterName,
  internals,
  type TopicSpec,
  topics,
} from "@vigie/schemas/catalogue";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { openAdmin } from "@vigie/stream/kafka/admin";
import { openKafka } from "@vigie/stream/kafka/client";
import { LmdbStore } from "@vigie/stream/lmdb/lmdb-store";
import { SegmentStore } from "@vigie/stream/segments/segment-store";
import type { StateStore } from "@vigie/stream/state/store";
import { test } from "vitest";
import { allServices, TENANT } from "./support/pipeline.ts";
import { count } from "./support/read-model.ts";
import { type RedisContent, redisContents } from "./support/redis-contents.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { until, untilTrue } from "./support/until.ts";

const OWN = "/api/id/sessions/me/erase";
const AWA = "awa.ndiaye-7131";
const MODOU = "modou.fall-5520";
/** What nobody else has. Ids of rows are as good as names. */
const TRACES: readonly string[] = [
  AWA,
  uuidOf(TENANT, "user", AWA),
  "phone-of-awa-7131",
  uuidOf(TENANT, "device", "phone-of-awa-7131"),
  "41.82.71.31",
  "41.82.71.0/24",
  "Ziguinchor-7131",
  "AwaBrowser/71.31",
  ...["s-7131-lives", "s-7131-ended", "s-7131-revoked"].flatMap((session) => [
    session,
    uuidOf(TENANT, "session", session),
  ]),
];

const HERS_IN_AUDIT =
  "audit_log entry join audit_subjects subject on ref = subject_ref where subject.user_id = $1";

const isHers = (...texts: readonly (string | Buffer | null)[]): boolean =>
  texts.some((text) => text !== null && TRACES.some((trace) => text.includes(trace)));

const SERVICES = [...allServices, "geo"] as const;
const { servers, pipeline, events } = await testPipeline(SERVICES);

async function call(path: string, method: "GET" | "POST", session: string): Promise<Response> {
  const token = pipeline.token({ sub: AWA, sid: session, scope: "", user_type: "EXTERNAL" });
  const headers = { authorization: `Bearer ${token}` };
  return fetch(`${pipeline.service("edge").url}${path}`, { method, headers });
}

/** Opts in, and says where she is. */
async function tellGeo(): Promise<void> {
  const token = pipeline.token({ sub: AWA, sid: "s-7131-lives", scope: "", user_type: "EXTERNAL" });
  const steps = [
    ["PUT", "prefs", { gpsOptIn: true, precisionLevel: "neighborhood" }],
    ["POST", "context", { latitude: 12.5831, longitude: -16.2719 }],
  ] as const;
  for (const [method, path, body] of steps) {
    const response = await fetch(`${pipeline.service("geo").url}/v1/geo/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.equal(response.status, 200, await response.text());
  }
}

/** Logins, heartbeats, failed second factors, a logout and a revocation, as they leave traces everywhere. */
async function live(): Promise<void> {
  const { producer } = pipeline;
  const hers = {
    userId: AWA,
    deviceId: "phone-of-awa-7131",
    ip: "41.82.71.31",
    userAgent: "Mozilla/5.0 (X11; Linux) AwaBrowser/71.31",
    lat: 12.58,
    lon: -16.27,
    country: "SN",
    city: "Ziguinchor-7131",
  };
  const sessions = ["s-7131-lives", "s-7131-ended", "s-7131-revoked"];
  await producer.send(
    "id.login",
    sessions.map((sessionId) => events.login({ ...hers, sessionId })),
  );
  await producer.send("id.login", [events.login({ userId: MODOU })]);
  const failures = Array.from({ length: 8 }, () =>
    events.mfa({ ...hers, sessionId: "s-7131-lives" }),
  );
  await producer.send("id.mfa", failures);
  await producer.send("id.heartbeat", [events.heartbeat({ ...hers, sessionId: "s-7131-lives" })]);
  await untilTrue("her sessions are active", async () => {
    return (await count(pipeline, "sessions where user_key = $1 and is_active", [AWA])) === 3;
  });
  await producer.send("id.login", [
    events.login({ ...hers, sessionId: "s-7131-ended", kind: "LOGOUT" }),
    // What nobody can use lies among the dead letters.
    events.login({ ...hers, sessionId: "s-7131-lives", lat: 100 }),
  ]);
  const revoked = await until("the edge revokes", async () => {
    const answer = await call("/api/id/sessions/s-7131-revoked/revoke", "POST", "s-7131-lives");
    return answer.status < 300 ? answer : null;
  });
  assert.ok(revoked.ok);
  await tellGeo();
  await untilTrue("all of it has come through", async () => {
    const ended = await count(pipeline, "sessions where user_key = $1 and not is_active", [AWA]);
    const anomalies = await count(pipeline, "session_anomalies");
    const audited = await count(pipeline, HERS_IN_AUDIT, [uuidOf(TENANT, "user", AWA)]);
    return ended === 2 && anomalies > 0 && audited > 0;
  });
}

/** Tables whose rows tell of her. */
async function inPostgres(): Promise<readonly string[]> {
  const { database } = pipeline;
  const { rows: tables } = await database.query<{ name: string }>(
    `select relname as name from pg_class
      where relkind in ('r', 'p') and relnamespace = current_schema()::regnamespace
        and not relispartition order by 1`,
  );
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await database.transaction(async (tx) => {
      // Bytes as text, as far as they are: leaves are JSON.
      await tx.query("set local bytea_output = 'escape'");
      return (await tx.query<{ row: string }>(`select t::text as row from "${name}" t`)).rows;
    });
    if (rows.some(({ row }) => isHers(row))) found.push(name);
  }
  return found;
}

/** Keys of this installation that tell of her by name or content. */
const inRedis = async (): Promise<readonly RedisContent[]> =>
  (await redisContents(pipeline)).filter(({ key, content }) => isHers(key, ...content));

const specs: Readonly<Record<string, TopicSpec>> = { ...topics, ...internals, ...changelogs };
/** What is kept by address names nobody: it holds hashes, and forgets them by itself. */
const personal = Object.keys(changelogs).filter((name) => !name.includes("spray"));
const isCompacted = (topic: string): boolean => specs[topic]?.keep === "compacted";

/** Topics that hold anything of her: of a compacted one only the newest value of each key counts. */
async function inTopics(): Promise<readonly string[]> {
  const names = Object.entries(specs).flatMap(([name, { deadLetters }]) =>
    deadLetters ? [name, deadLetterName(name)] : [name],
  );
  const found: string[] = [];
  for (const name of names) {
    const records = await pipeline.reader.all(name);
    const newest = new Map(records.map((record, at) => [recordKey(name, record.key, at), record]));
    const held = [...newest.values()].some(
      ({ key, value }) => !(isCompacted(name) && value === null) && isHers(key, value),
    );
    if (held) found.push(name);
  }
  return found;
}

const recordKey = (topic: string, key: Buffer | null, at: number): string =>
  isCompacted(topic) ? String(key) : String(at);

/** Live entries of the stores on disk; their services must have stopped. */
async function inStores(): Promise<{ readonly entries: number; readonly hers: number }> {
  const state = join(pipeline.directory, "state");
  const files = readdirSync(state, { recursive: true, encoding: "utf8" });
  let [entries, hers] = [0, 0];
  for (const file of files) {
    const directory = dirname(join(state, file));
    const store = await openKept(basename(file), directory);
    if (store === null) continue;
    for (const [key, envelope] of store.entries()) {
      entries += 1;
      if (isHers(key, Buffer.from(envelope))) hers += 1;
    }
    await store.close();
  }
  return { entries, hers };
}

/** The store of which this is the one file that each of its kind has; null: of none. */
async function openKept(file: string, directory: string): Promise<StateStore | null> {
  if (file === "data.mdb") return LmdbStore.open(directory);
  return /^manifest-\d+$/.test(file) ? SegmentStore.open(directory) : null;
}

const inLogs = (): readonly string[] =>
  SERVICES.filter((name) => isHers(pipeline.service(name).output()));

/** What is promised to hold every record for its time: see docs/privacy.md. */
const RETAINED = [
  ...Object.entries(specs).flatMap(([name, { keep }]) => (keep === "compacted" ? [] : [name])),
  ...Object.keys(topics).map(deadLetterName),
];

test("PRV-14, CNF-20: after an erasure nothing of a person is found but what docs/privacy.md says stays", async () => {
  await live();

  // The search finds her wherever she is, or it would prove nothing.
  const before = await inPostgres();
  const tables = [
    ...["user_sessions", "session_activities", "users", "session_anomalies"],
    "audit_subjects",
    ...[
      "molam_user_geo_prefs",
      "molam_geo_last_context",
      "molam_gps_ephemeral",
      "molam_geo_events",
    ],
  ];
  for (const table of tables) {
    assert.ok(before.includes(table), `${table}: ${before}`);
  }
  assert.ok((await inRedis()).length >= 3);
  const told = await inTopics();
  for (const topic of ["id.session.state", "id.geo.prefs", ...personal, "id.login.dlq"]) {
    assert.ok(told.includes(topic), `${topic}: ${told}`);
  }

  const requestedMs = Date.now();
  const answer = await call(OWN, "POST", "s-7131-lives");
  assert.equal(answer.status, 202, await answer.clone().text());
  const { erasure_id } = (await answer.json()) as { erasure_id: string };
  interface Progress {
    readonly erasure_id: string;
    readonly status: string;
    readonly clear_at: string;
  }
  const progress = await until("every part has told that it is done", async () => {
    const response = await call(OWN, "GET", "s-7131-lives");
    assert.equal(response.status, 200, await response.clone().text());
    const body = (await response.json()) as Progress;
    return body.status === "done" ? body : null;
  });
  assert.equal(progress.erasure_id, erasure_id);
  assert.ok(Date.parse(progress.clear_at) <= requestedMs + 33 * 86_400_000);
  const refused = await until("her session is dead", async () => {
    const response = await call("/api/id/sessions/me", "GET", "s-7131-lives");
    return response.status === 200 ? null : response;
  });
  assert.equal(refused.status, 401);

  // What happened before and comes late is taken in by nobody.
  const late = events.login({
    userId: AWA,
    sessionId: "s-7131-lives",
    occurredAt: requestedMs - 60_000,
  });
  await pipeline.producer.send("id.login", [late]);
  for (const name of ["sessions", "detector", "session-sink"] as const) {
    await untilTrue(`${name} has dropped it`, async () => {
      const dropped = { reason: "erased" };
      return (await pipeline.service(name).metric("vigie_records_dropped_total", dropped)) > 0;
    });
  }
  await searchEverything();
});

/** Version and status of an ended session. */
const MARKER = /^\d+ (REVOKED|LOGGED_OUT|EXPIRED|IDLE_EXPIRED)$/;

async function searchEverything(): Promise<void> {
  // PostgreSQL: nothing, the audit neither; the request is on its topic, out of the outbox.
  await untilTrue("the outbox is empty", async () => (await count(pipeline, "outbox")) === 0);
  assert.deepEqual(await inPostgres(), []);
  assert.equal(await count(pipeline, "sessions where user_key = $1", [MODOU]), 1);

  // Redis: markers of ended sessions, which tell nothing more and are gone within a minute.
  const traces = await until("only markers are left in Redis", async () => {
    const found = await inRedis();
    return found.every(({ content }) => MARKER.test(content.join())) ? found : null;
  });
  for (const { key, leftMs } of traces) {
    assert.ok(leftMs > 0 && leftMs <= 60_000, `${key} is kept for ${leftMs} ms more`);
  }

  // Topics: nothing in a compacted one; the others let go of it by their retention.
  const held = await inTopics();
  assert.deepEqual(
    held.filter((topic) => !RETAINED.includes(topic)),
    [],
  );
  await retentionsAreSet(held);
  const tables = ["erasures", "erasure_parts"];
  for (const table of tables)
    assert.equal(await countOfTenant(table), table === "erasures" ? 1 : 6);

  // Logs, and the stores of the services that have them.
  assert.deepEqual(inLogs(), []);
  for (const name of ["sessions", "detector"] as const) await pipeline.service(name).terminate();
  const stores = await inStores();
  assert.ok(stores.entries > 0);
  assert.equal(stores.hers, 0);
}

const countOfTenant = (table: string): Promise<number> =>
  count(pipeline, `${table} where tenant_id = $1`, [tenantUuid(TENANT)]);

/** The broker itself holds what still names her for no longer than the catalogue says. */
async function retentionsAreSet(held: readonly string[]): Promise<void> {
  const client = openKafka({ brokers: [servers.kafka], clientId: "test", log: silentLogger });
  const admin = await openAdmin(client);
  for (const topic of held) {
    const keep = specs[topic]?.keep ?? { retentionMs: 7 * 86_400_000 };
    assert.ok(keep !== "compacted");
    const configs = await admin.topicConfigs(pipeline.prefix + topic);
    assert.equal(configs["retention.ms"], String(keep.retentionMs), topic);
    assert.equal(configs["segment.ms"], String(86_400_000), topic);
  }
  await admin.close();
}
