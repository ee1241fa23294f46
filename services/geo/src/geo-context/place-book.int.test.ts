import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { tenantUuid } from "@vigie/service-kit/ids";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import { afterAll, beforeAll, test } from "vitest";
import { createGpsVault, type GpsVault } from "#gps/vault";
import { keyOf, type Person } from "#person";
import { defaultPrefs, type Prefs } from "#prefs/prefs";
import { type GeoTables, geoTables } from "#test-tables";
import { cacheName, type PersonCache, redisPersonCache } from "./person-cache.ts";
import { placeBookSuite } from "./place-book.suite.ts";
import type { Held, PlaceBook } from "./place-book.ts";
import { postgresBook } from "./postgres-book.ts";

let tables: GeoTables;
let redis: RedisStore;
let vault: GpsVault;
let cache: PersonCache<Held>;
let book: PlaceBook;

beforeAll(async () => {
  tables = await geoTables();
  const { prefix, redis: url } = tables.servers;
  redis = openRedis({ url, prefix, connectionName: "geo-test", log: silentLogger });
  const secret = { keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) };
  vault = createGpsVault(derivedKeys([secret], Date.now), Date.now);
  cache = redisPersonCache(redis, silentLogger);
  book = postgresBook({ database: tables.geo, cache, vault });
});
afterAll(async () => {
  await redis.close();
  await tables.close();
});

placeBookSuite("postgres", () => ({
  book,
  published: async (person) => {
    const rows = await tables.rows<{ value: Buffer }>(
      "select value from outbox where key = $1 order by id",
      [keyOf(person)],
    );
    return rows.map(({ value }) => String(value));
  },
  positions: (person) => tables.geo.inTenant(person.tenantId, (tx) => vault.read(tx, person)),
}));

const awa = (name: string): Person => ({ tenantId: "molam-sn", userId: `awa-${name}` });
const chosen: Prefs = { ...defaultPrefs, homeCountry: "SN" };
const nameOf = (person: Person): string => redis.key(cacheName(person));
const textOf = async (person: Person) => redis.command("GET", nameOf(person));

/** A book over this cache, and how often it asks PostgreSQL. */
function counted(over: PersonCache<Held>) {
  let loads = 0;
  const watched: PersonCache<Held> = {
    ...over,
    read: (person, load) =>
      over.read(person, () => {
        loads += 1;
        return load();
      }),
  };
  const watchedBook = postgresBook({ database: tables.geo, cache: watched, vault });
  return { book: watchedBook, loads: () => loads };
}

test("GEO-23: what is read is remembered in Redis, for minutes", async () => {
  const { book: watched, loads } = counted(cache);
  for (let i = 0; i < 5; i++) await watched.read(awa("often"));
  assert.equal(loads(), 1);
  const ttlMs = Number(await redis.command("PTTL", nameOf(awa("often"))));
  assert.ok(ttlMs > 0 && ttlMs <= 300_000, `${ttlMs}`);
});

test("who read before a change cannot put it back after it", async () => {
  const person = awa("race");
  const held = Promise.withResolvers<void>();
  const loaded = Promise.withResolvers<void>();
  const slow: PersonCache<Held> = {
    ...cache,
    read: (who, load) =>
      cache.read(who, async () => {
        const found = await load();
        loaded.resolve();
        await held.promise;
        return found;
      }),
  };
  const reading = postgresBook({ database: tables.geo, cache: slow, vault }).read(person);
  await loaded.promise;
  await book.change(person, () => ({ prefs: chosen, events: [] }));
  held.resolve();
  assert.deepEqual((await reading).prefs, defaultPrefs);
  assert.deepEqual((await book.read(person)).prefs, chosen);
});

test("a change forgets what was remembered before it commits: a place is in Redis no longer", async () => {
  const person = awa("forgotten");
  await book.change(person, () => ({ prefs: chosen, events: [] }));
  await redis.command("DEL", nameOf(person));
  await book.read(person);
  assert.match(String(await textOf(person)), /"homeCountry":"SN"/);
  await book.change(person, () => ({ prefs: defaultPrefs, events: [] }));
  assert.equal(await textOf(person), "-");
  assert.deepEqual((await book.read(person)).prefs, defaultPrefs);
});

const away = () => Promise.reject(new VigError("VIG_REDIS_AWAY", { why: "planted" }));

test("with Redis away reading goes on from PostgreSQL, and changes are refused whole", async () => {
  const person = awa("away");
  await book.change(person, () => ({ prefs: chosen, events: [] }));
  const without = redisPersonCache<Held>({ ...redis, command: away }, silentLogger);
  const cut = postgresBook({ database: tables.geo, cache: without, vault });
  assert.deepEqual((await cut.read(person)).prefs, chosen);
  const change = cut.change(person, () => ({ prefs: defaultPrefs, events: [] }));
  await assert.rejects(change, { code: "VIG_REDIS_AWAY" });
  assert.deepEqual((await cut.read(person)).prefs, chosen);
});

test("the tables refuse what is finer than a city without opt-in, and rows of another tenant", async () => {
  const put = (level: number, tenantOfRow: string) =>
    tables.geo.inTenant("molam-sn", (tx) =>
      tx.query(
        `insert into molam_user_geo_prefs
           (tenant_id, user_id, gps_opt_in, precision_level, updated_at)
         values ($1, gen_random_uuid(), false, $2, now())`,
        [tenantUuid(tenantOfRow), level],
      ),
    );
  await assert.rejects(put(7, "molam-sn"), /check constraint/);
  await assert.rejects(put(5, "molam-ci"), /row-level security/);
  await put(5, "molam-sn");
});
