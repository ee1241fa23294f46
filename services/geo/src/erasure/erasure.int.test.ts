import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { silentLogger } from "@vigie/core/log";
import { nameUuid } from "@vigie/service-kit/ids";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { bearer, NOW_MS } from "@vigie/service-kit/testing/issuer";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import { cacheName, redisPersonCache } from "#geo-context/person-cache";
import type { Held } from "#geo-context/place-book";
import { postgresBook } from "#geo-context/postgres-book";
import { type GeoEventRow, noPlace } from "#geo-events/geo-events";
import { createGpsVault } from "#gps/vault";
import { keyOf, type Person, rowOf } from "#person";
import { databaseAway, redisAway, testGeo, testKeys } from "../test-geo.ts";
import { type GeoTables, geoTables, optIn } from "../test-tables.ts";
import { createEraser, type Eraser } from "./eraser.ts";
import { clear, live, rowsOf, tablesOfPersons } from "./test-persons.ts";

const AWA: Person = { tenantId: "molam-sn", userId: "awa.diop-7131" };
const MODOU: Person = { ...AWA, userId: "modou.fall-5520" };
const IVORIAN: Person = { ...AWA, tenantId: "molam-ci" };
const URL = "/v1/geo/prefs";

let tables: GeoTables;
let redis: RedisStore;
let eraser: Eraser;
beforeAll(async () => {
  tables = await geoTables();
  const { redis: url, prefix } = tables.servers;
  redis = openRedis({ url, prefix, connectionName: "geo-test", log: silentLogger });
  eraser = createEraser(cache());
});
afterAll(async () => {
  await redis.close();
  await tables.close();
});
beforeEach(() => clear(tables));

const dakar = {
  source: "gps",
  country: "SN",
  region: "Dakar",
  city: "Dakar",
  geohash: "edeedfx",
  timezone: "Africa/Dakar",
  isVpn: false,
  isMobile: true,
  carrier: null,
} as const;

const cache = () => redisPersonCache<Held>(redis, silentLogger);

/** Leaves a trace in every table, the outbox and Redis. */
async function leave(person: Person): Promise<void> {
  await live(tables, person);
  const held = { context: { city: "Dakar" } } as unknown as Held;
  await cache().read(person, async () => held);
}

const waiting = (person: Person) =>
  tables.rows<{ topic: string; value: Buffer | null }>(
    "select topic, value from outbox where key = $1 order by id",
    [keyOf(person)],
  );
const remembered = (person: Person) =>
  redis.command("GET", redis.key(cacheName(person))).then(String);

async function callDelete(over: Parameters<typeof testGeo>[0] = {}, claims: object = {}) {
  const geo = testGeo({ database: tables.geo, eraser, ...over });
  const headers = await bearer({
    sub: AWA.userId,
    user_type: "EXTERNAL",
    scope: "",
    tenant_id: AWA.tenantId,
    ...claims,
  });
  const response = await geo.app.inject({ method: "DELETE", url: URL, headers });
  return { response, audit: geo.audit };
}

test("PRV-14: every table of geo with rows of persons is known to these tests", async () => {
  const found = await tables.rows<{ name: string }>(
    `select distinct relname as name from pg_class table_of
       join pg_attribute on attrelid = table_of.oid and attname in ('user_id', 'user_key')
      where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')
        and has_any_column_privilege('vigie_geo', table_of.oid, 'insert')
      order by 1`,
  );
  assert.deepEqual(
    found.map(({ name }) => name),
    [...tablesOfPersons].sort(),
  );
});

test("CNF-26, PRV-10: a person erases where they were: told in numbers, on record before, gone at once", async () => {
  await leave(AWA);
  await leave(MODOU);
  await leave(IVORIAN);
  assert.match(await remembered(AWA), /Dakar/);
  const { response, audit } = await callDelete();
  assert.equal(response.statusCode, 200, response.body);
  const { status, erased, retained } = response.json();
  assert.equal(status, "erased");
  assert.deepEqual(erased, {
    preferences: 1,
    lastContext: 1,
    gpsPositions: 1,
    placesOfEvents: 1,
    unpublished: 1,
  });
  const after = (days: number) => new Date(NOW_MS + days * 86_400_000).toISOString();
  assert.deepEqual(
    retained.map(({ where, until }: { where: string; until: string }) => [where, until]),
    [
      ["id.geo", after(8)],
      ["id.login", after(8)],
      ["id.heartbeat", after(8)],
      ["id.mfa", after(8)],
      ["id.session.anomaly", after(31)],
      ["id.geo.prefs", after(3)],
      ["vigie.detector.changelog", after(3)],
      ["<topic>.dlq", after(8)],
      ["detector", null],
      ["sessions", null],
    ],
  );
  assert.deepEqual(
    audit.entries.map(({ action, subjectUserId, payload }) => ({ action, subjectUserId, payload })),
    [{ action: "privacy.location_erased", subjectUserId: AWA.userId, payload: {} }],
  );
  // The event stays, its place is gone; phones and PINs are not places
  assert.deepEqual(Object.keys(await rowsOf(tables, AWA)), [
    "molam_geo_events",
    "ussd_links",
    "ussd_pins",
    "ussd_reset_codes",
  ]);
  const [event] = await tables.rows<{ text: string }>(
    `select string_agg(e::text, ' ' order by event_type) as text from molam_geo_events e
      where user_id = $1 and tenant_id = $2`,
    [rowOf(AWA).userId, rowOf(AWA).tenantId],
  );
  assert.doesNotMatch(event?.text ?? "", /SN|Dakar|edeed|XOF/);
  assert.match(event?.text ?? "", /location_captured.*location_erased/);
  // Everybody is told
  assert.deepEqual(await waiting(AWA), [{ topic: "id.geo.prefs", value: null }]);
  assert.doesNotMatch(await remembered(AWA), /Dakar/);
  // Of nobody else anything is gone
  for (const other of [MODOU, IVORIAN]) {
    assert.equal(Object.keys(await rowsOf(tables, other)).length, tablesOfPersons.length);
    assert.equal((await waiting(other)).length, 1);
    assert.match(await remembered(other), /Dakar/);
  }
});

test("a second erasure finds nothing, and says so", async () => {
  await leave(AWA);
  await callDelete();
  const { response } = await callDelete();
  const { unpublished, ...rest } = response.json().erased;
  assert.equal(unpublished, 1, "the tombstone of before is replaced by the next");
  assert.deepEqual(Object.values(rest), [0, 0, 0, 0]);
});

test("what somebody had read before is not remembered again after an erasure", async () => {
  await leave(AWA);
  const { promise: erasing, resolve: erased } = Promise.withResolvers<void>();
  await redis.command("DEL", redis.key(cacheName(AWA)));
  const held = { context: { city: "Dakar" } } as unknown as Held;
  const reading = cache().read(AWA, () => erasing.then(() => held));
  await callDelete();
  erased();
  await reading;
  assert.doesNotMatch(await remembered(AWA), /Dakar/);
});

const vault = createGpsVault(testKeys, () => NOW_MS);
const position = { lat: 14.6928, lon: -17.4467, accuracyM: 10, capturedAtMs: NOW_MS };
const openBook = () => postgresBook({ database: tables.geo, cache: cache(), vault });

test("PRV-10: positions that are sent while it is erased leave nothing behind", async () => {
  const book = openBook();
  const send = () =>
    book.change(AWA, ({ prefs }) => ({ events: [], ...(prefs.gpsOptIn && { position }) }));
  for (let round = 0; round < 5; round++) {
    await clear(tables);
    await optIn(tables, AWA);
    await send();
    assert.equal((await rowsOf(tables, AWA)).molam_gps_ephemeral, 1);
    await Promise.all([send(), send(), callDelete(), send(), send()]);
    const onlySaidThat = { molam_geo_events: 1 };
    assert.deepEqual(await rowsOf(tables, AWA), onlySaidThat, `round ${round}`);
  }
});

test("PRV-10: a capture that is being written is waited for, and erased with the rest", async () => {
  /** The backend that waits for this one. */
  const waiterOn = async (pid: unknown): Promise<number | undefined> => {
    const text = `select pid from pg_stat_activity where ${pid} = any(pg_blocking_pids(pid))`;
    return (await tables.rows<{ pid: number }>(text))[0]?.pid;
  };
  // Given a capture that has found the opt-in and is held up as it writes
  await optIn(tables, AWA);
  const id = randomUUID();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  const { promise: holder, resolve: holding } = Promise.withResolvers<number | undefined>();
  const undone = tables.owner.transaction(async (tx) => {
    const { rows } = await tx.query<{ pid: number }>(
      `insert into molam_geo_events (tenant_id, user_id, id, event_type, occurred_at)
       values ($1, $2, $2, 'location_captured', now()) returning pg_backend_pid() as pid`,
      [rowOf(AWA).tenantId, id],
    );
    holding(rows[0]?.pid);
    await released;
    throw new Error("undone");
  });
  const pid = await holder;
  const event = { ...noPlace, id, type: "location_captured", occurredAtMs: NOW_MS, details: {} };
  const writing = openBook().change(AWA, () => ({
    context: { ...dakar, capturedAtMs: NOW_MS },
    events: [event as GeoEventRow],
    position,
  }));
  const writer = await eventually(async () => (await waiterOn(pid)) ?? assert.fail());
  // When it is erased meanwhile
  let isDone = false;
  const erasing = callDelete().then(({ response }) => {
    isDone = true;
    return response;
  });
  await eventually(async () => assert.ok(isDone || (await waiterOn(writer))));
  release();
  await assert.rejects(undone, /undone/);
  await writing;
  // Then it found what was written, and nothing is left
  assert.partialDeepStrictEqual((await erasing).json().erased, { lastContext: 1, gpsPositions: 1 });
  assert.deepEqual(Object.keys(await rowsOf(tables, AWA)), ["molam_geo_events"]);
});

test("PRV-14: a capture that came in before an erasure, and is written after it, leaves nothing", async () => {
  await tables.owner.query(
    "insert into erasures (tenant_id, erasure_id, subject_id, requested_at) values ($1, 'x', $2, $3)",
    [
      rowOf(AWA).tenantId,
      nameUuid(AWA.tenantId, "subject", AWA.userId),
      new Date(NOW_MS).toISOString(),
    ],
  );
  const capture = (capturedAtMs: number) =>
    openBook().change(AWA, () => ({ context: { ...dakar, capturedAtMs }, events: [] }));
  await assert.rejects(capture(NOW_MS), { code: "VIG_SESSION_ENDED" });
  assert.deepEqual(await rowsOf(tables, AWA), {});
  await capture(NOW_MS + 1);
  assert.deepEqual(await rowsOf(tables, AWA), { molam_geo_last_context: 1 });
});

test("AUD-01: without a record nothing is erased; with Redis away nothing is, and nobody is told that it was", async () => {
  await leave(AWA);
  const before = await rowsOf(tables, AWA);
  const audit = { ...testGeo().audit, record: () => Promise.reject(new Error("away")) };
  assert.equal((await callDelete({ audit })).response.statusCode, 500);
  const failing = await callDelete({
    eraser: createEraser(redisPersonCache(redisAway, silentLogger)),
  });
  assert.equal(failing.response.statusCode, 503);
  assert.ok(failing.response.headers["retry-after"]);
  assert.deepEqual(await rowsOf(tables, AWA), before);
  assert.equal((await waiting(AWA)).length, 1);
});

test.each([
  ["a service", { sub: "gateway", user_type: undefined, scope: "events:write" }, 403],
  ["a refresh token", { type: "refresh" }, 401],
])("refused: %s", async (_who, claims, status) => {
  await leave(AWA);
  const { response, audit } = await callDelete({}, claims);
  assert.equal(response.statusCode, status, response.body);
  assert.deepEqual(audit.entries, []);
  assert.equal((await rowsOf(tables, AWA)).molam_gps_ephemeral, 1);
});

test("PostgreSQL away: 503, to be tried again", async () => {
  const { response } = await callDelete({ database: databaseAway });
  assert.equal(response.statusCode, 503, response.body);
  assert.equal(response.json().code, "VIG_DATABASE_AWAY");
  assert.ok(response.headers["retry-after"]);
});
