import assert from "node:assert/strict";
import { createHealth } from "@vigie/service-kit/health";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { codeIs } from "@vigie/service-kit/kms/keys.suite";
import { createMetrics } from "@vigie/service-kit/metrics";
import { afterAll, beforeAll, beforeEach, test } from "vitest";
import type { Person } from "#person";
import { type GeoTables, geoTables, optIn } from "../test-tables.ts";
import type { Position } from "./position.ts";
import { purgeJob } from "./purge.ts";
import { createGpsVault, KEPT_MAX_MS, KEPT_MS, POSITIONS_MAX } from "./vault.ts";

const keys = derivedKeys([{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) }], () => 1);
let nowMs = Date.now();
const vault = createGpsVault(keys, () => nowMs);

const awa: Person = { tenantId: "molam-sn", userId: "awa" };
const modou: Person = { ...awa, userId: "modou" };
const position = (over: Partial<Position> = {}): Position => ({
  lat: 14.6928,
  lon: -17.4467,
  accuracyM: 10,
  capturedAtMs: nowMs,
  ...over,
});

let tables: GeoTables;
beforeAll(async () => {
  tables = await geoTables();
});
afterAll(() => tables.close());
beforeEach(async () => {
  nowMs = Date.now();
  await tables.owner.query(
    "truncate molam_gps_ephemeral, molam_gps_purges, molam_user_geo_prefs cascade",
  );
  await optIn(tables, awa);
  await optIn(tables, modou);
});

const put = (person: Person, over: Partial<Position> = {}) =>
  tables.geo.inTenant(person.tenantId, (tx) => vault.put(tx, person, position(over)));
const read = (person: Person) =>
  tables.geo.inTenant(person.tenantId, (tx) => vault.read(tx, person));
const count = async (): Promise<number> =>
  (await tables.rows("select 1 from molam_gps_ephemeral")).length;

/** As if all that is stored had been stored earlier. */
const age = (ms: number) =>
  tables.owner.query(
    `update molam_gps_ephemeral
        set stored_at = stored_at - $1 * interval '1 ms', expires_at = expires_at - $1 * interval '1 ms'`,
    [ms],
  );

test("GEO-10: a person's positions are read newest first, and nobody else's", async () => {
  await put(awa);
  await put(awa, { lat: 14.7 });
  await put(modou, { lat: 6.5 });
  assert.deepEqual(
    (await read(awa)).map(({ lat }) => lat),
    [14.7, 14.6928],
  );
  assert.deepEqual(await read(awa).then(([newest]) => newest), position({ lat: 14.7 }));
  assert.deepEqual(await read({ ...awa, tenantId: "molam-ci" }), []);
});

test("PRV-06: of whoever has not opted in nothing is kept, whatever the caller believes", async () => {
  await tables.owner.query(
    "update molam_user_geo_prefs set gps_opt_in = false, precision_level = 5",
  );
  assert.equal(await put(awa), false);
  assert.equal(await put({ ...awa, userId: "unknown" }), false);
  assert.equal(await count(), 0);
});

test("PRV-06: a withdrawal and a position at the same time leave none behind", async () => {
  const withdraw = () =>
    tables.geo.inTenant(awa.tenantId, async (tx) => {
      await tx.query("update molam_user_geo_prefs set gps_opt_in = false, precision_level = 5");
      await vault.eraseUser(tx, awa);
    });
  for (let round = 0; round < 10; round++) {
    await tables.owner.query("update molam_user_geo_prefs set gps_opt_in = true");
    await Promise.all([put(awa), put(awa), withdraw(), put(awa)]);
    assert.equal(await count(), 0, `round ${round}`);
  }
});

test("the oldest of too many go", async () => {
  await put(awa);
  await age(60_000);
  await tables.owner.query(
    `insert into molam_gps_ephemeral
     select tenant_id, user_id, gen_random_uuid(), wrapped_key, sealed,
            stored_at + n * interval '1 ms', expires_at
       from molam_gps_ephemeral, generate_series(1, $1) n`,
    [POSITIONS_MAX],
  );
  const oldest = async () =>
    (await tables.rows<{ at: Date }>("select min(stored_at) as at from molam_gps_ephemeral"))[0]
      ?.at;
  const before = await oldest();
  await put(modou);
  await put(awa);
  assert.equal(await count(), POSITIONS_MAX + 1);
  assert.equal((await oldest())?.getTime(), (before?.getTime() ?? 0) + 2);
});

test("TEN-02: another tenant's transaction finds, adds and erases nothing", async () => {
  await put(awa);
  const foreign = <T>(work: Parameters<typeof tables.geo.inTenant<T>>[1]) =>
    tables.geo.inTenant("molam-ci", work);
  assert.deepEqual(await foreign((tx) => vault.read(tx, awa)), []);
  assert.equal(await foreign((tx) => vault.eraseUser(tx, awa)), 0);
  assert.equal(await foreign((tx) => vault.put(tx, awa, position())), false);
  assert.equal(await count(), 1);
});

test("PRV-09: a row that is changed, swapped or given to somebody else is refused when it is read", async () => {
  const refused = codeIs("VIG_CIPHERTEXT_INVALID");
  const tamper = async (text: string) => {
    await tables.owner.query("truncate molam_gps_ephemeral");
    await put(awa);
    await put(modou);
    await tables.owner.query(text);
    await assert.rejects(read(awa), refused, text);
  };
  await tamper(
    "update molam_gps_ephemeral set sealed = set_byte(sealed, 30, get_byte(sealed, 30) # 1)",
  );
  await tamper("update molam_gps_ephemeral set id = gen_random_uuid()");
  await tamper(
    `update molam_gps_ephemeral mine set wrapped_key = other.wrapped_key, sealed = other.sealed
       from molam_gps_ephemeral other where other.user_id <> mine.user_id`,
  );
  await tamper(
    `update molam_gps_ephemeral mine set sealed = other.sealed
       from molam_gps_ephemeral other where other.user_id <> mine.user_id`,
  );
  const foreign = derivedKeys(
    [{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 2) }],
    () => 1,
  );
  await tables.owner.query("truncate molam_gps_ephemeral");
  await put(awa);
  const elsewhere = createGpsVault(foreign, () => nowMs);
  await assert.rejects(
    tables.geo.inTenant(awa.tenantId, (tx) => elsewhere.read(tx, awa)),
    refused,
  );
});

test("PRV-08: an expired position is read no more, also before it is deleted; nor one whose end was moved", async () => {
  await put(awa);
  await age(KEPT_MS);
  assert.deepEqual(await read(awa), []);
  await tables.owner.query(
    "update molam_gps_ephemeral set stored_at = now(), expires_at = now() + interval '1 h'",
  );
  assert.equal((await read(awa)).length, 1);
  nowMs += KEPT_MAX_MS;
  assert.deepEqual(await read(awa), []);
});

test("PRV-08: the table takes no row that would be kept for more than a day, and no time but its own", async () => {
  const columns = "tenant_id, user_id, id, wrapped_key, sealed, expires_at";
  const insert = (names: string, values: string) =>
    tables.geo.inTenant(awa.tenantId, (tx) =>
      tx.query(`insert into molam_gps_ephemeral (${names})
                select current_tenant(), gen_random_uuid(), gen_random_uuid(), '\\x00',
                       decode(repeat('00', 29), 'hex'), ${values}`),
    );
  await insert(columns, "now() + interval '24 hours'");
  await assert.rejects(insert(columns, "now() + interval '24 hours 1 ms'"), /a_day_at_most/);
  await assert.rejects(
    insert(`${columns}, stored_at`, "now() + interval '30 hours', now() + interval '8 hours'"),
    /permission denied/,
  );
  const move = tables.geo.query("update molam_gps_ephemeral set expires_at = now()");
  await assert.rejects(move, /permission denied/);
});

interface Purge {
  readonly purged: number;
  readonly kept_s: number | null;
}
const purges = () =>
  tables.rows<Purge>(
    "select purged, extract(epoch from kept_max)::float8 as kept_s from molam_gps_purges order by id",
  );

test("PRV-08: the purge deletes what has expired in every tenant, and each run is on record", async () => {
  const metrics = createMetrics("geo", { processMetrics: false });
  const health = createHealth("geo");
  const job = purgeJob({ database: tables.geo, clock: () => nowMs, health, metrics });
  const ivorian = { ...awa, tenantId: "molam-ci" };
  await optIn(tables, ivorian);
  await put(awa);
  await put(ivorian);
  await age(KEPT_MS);
  await put(modou);
  assert.equal(health.report().status, "degraded", "nobody knows yet whether it runs");
  await job.run();
  await job.run();
  assert.equal(await count(), 1);
  const runs = await purges();
  assert.deepEqual(
    runs.map(({ purged }) => purged),
    [2, 0],
  );
  const [first, second] = runs;
  assert.ok(first?.kept_s && first.kept_s >= KEPT_MS / 1_000 && first.kept_s < KEPT_MAX_MS / 1_000);
  assert.equal(second?.kept_s, null);
  const text = await metrics.registry.metrics();
  assert.match(text, /^gps_purged_total 2$/m);
  assert.match(text, new RegExp(`^gps_purge_last_run_timestamp_seconds ${nowMs / 1_000}$`, "m"));
  assert.equal(health.report().status, "healthy");
});

test("a purge that fails is told by health, and puts nothing on record", async () => {
  const health = createHealth("geo");
  const metrics = createMetrics("geo", { processMetrics: false });
  const database = tables.as("vigie_reader");
  const job = purgeJob({ database, clock: () => nowMs, health, metrics });
  await assert.rejects(async () => job.run(), /permission denied/);
  assert.equal(health.report().parts.gps_purge?.status, "down");
  assert.deepEqual(await purges(), []);
});

test("whoever may only purge reads no position, and nobody writes the record of purges by hand", async () => {
  await put(awa);
  await age(KEPT_MS);
  const purger = tables.as("vigie_gps_purge");
  const denied = (database: typeof purger, text: string) =>
    assert.rejects(database.query(text), /permission denied/, text);
  await denied(purger, "select 1 from molam_gps_ephemeral");
  await denied(purger, "delete from molam_gps_ephemeral");
  await denied(purger, "insert into molam_gps_purges (ran_at, purged) values (now(), 9)");
  await denied(tables.geo, "insert into molam_gps_purges (ran_at, purged) values (now(), 9)");
  await denied(tables.geo, "delete from molam_gps_purges");
  assert.equal(await count(), 1);
  await purger.query("select purge_expired_gps()");
  assert.equal(await count(), 0);
});
