import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { VigError } from "@vigie/core/errors";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, onTestFinished, test } from "vitest";
import { type Database, openDatabase, type PoolOptions, schemaOf } from "./database.ts";
import { migrate, migrationFolders } from "./migrate.ts";
import { seed, seedTenants } from "./seed.ts";
import { lockOffsets, readOffsets, storeOffsets } from "./sink-offsets.ts";

const root = resolve(import.meta.dirname, "../../../..");
const platform = migrationFolders(root).slice(0, 1);

let servers: TestStack;
let database: Database;
let schema: string;

const open = (over: Partial<PoolOptions> = {}): Database =>
  openDatabase({
    url: servers.postgres,
    applicationName: "test",
    schema,
    statementTimeoutMs: 5_000,
    poolMax: 4,
    log: silentLogger,
    ...over,
  });

beforeAll(async () => {
  servers = await stack();
  schema = schemaOf(servers.prefix);
  await migrate({ url: servers.postgres, schema, folders: platform, log: silentLogger });
  database = open();
});
afterAll(async () => {
  await database.query(`drop schema "${schema}" cascade`);
  await database.close();
  await servers.close();
});

const code = (expected: string) => (thrown: unknown) =>
  thrown instanceof VigError && thrown.code === expected;

function folderWith(files: Record<string, string>): string {
  const path = mkdtempSync(join(tmpdir(), "vigie-migrations-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const [name, sql] of Object.entries(files)) writeFileSync(join(path, name), sql);
  return path;
}

test("migrations apply once, and two runners at a time do not collide", async () => {
  const path = folderWith({
    "001_one.sql": "create table one (id int)",
    "002_two.sql": "insert into one values (1)",
  });
  const folders = [{ owner: "test", path }];
  const run = () => migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  const applied = await Promise.all([run(), run()]);
  assert.deepEqual(applied.flat().sort(), ["test/001_one.sql", "test/002_two.sql"]);
  assert.deepEqual(await run(), []);
  const { rows } = await database.query<{ id: number }>("select id from one");
  assert.deepEqual(rows, [{ id: 1 }]);
});

test("a changed migration is refused; one that fails leaves nothing behind", async () => {
  const path = folderWith({ "001_a.sql": "create table changed (id int)" });
  const folders = [{ owner: "changed", path }];
  const run = () => migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  await run();
  writeFileSync(join(path, "002_b.sql"), "create table half (id int); select 1 / 0");
  await assert.rejects(run(), /changed\/002_b.sql.*division by zero/);
  const { rows } = await database.query<{ half: string | null }>("select to_regclass('half') half");
  assert.equal(rows[0]?.half, null);
  writeFileSync(join(path, "001_a.sql"), "create table changed (id bigint)");
  await assert.rejects(run(), code("VIG_MIGRATION_CHANGED"));
});

test("TEN-06: seeding inserts tenants and an administrator once", async () => {
  assert.equal(await seed(database), seedTenants.length + 1);
  assert.equal(await seed(database), 0);
  const { rows } = await database.query("select email from users");
  assert.deepEqual(rows, [{ email: "admin@molam.example" }]);
});

test("TEN-02: a reader sees the rows of its tenant only, and none without a tenant", async () => {
  await seed(database);
  const reader = open({ role: "vigie_reader" });
  onTestFinished(() => reader.close());
  const slugs = "select slug from tenants";
  assert.deepEqual((await reader.query(slugs)).rows, []);
  const seen = await reader.inTenant("molam-sn", (tx) => tx.query(slugs));
  assert.deepEqual(seen.rows, [{ slug: "molam-sn" }]);
  assert.deepEqual((await reader.query(slugs)).rows, []);
  const write = reader.inTenant("molam-sn", (tx) => tx.query("delete from tenants"));
  await assert.rejects(write, /permission denied/);
  await assert.rejects(reader.query("select password_hash from users"), /permission denied/);
});

test("a transaction is all or nothing, also when a caught fault has already ended it", async () => {
  await database.query("create table ledger (n int check (n > 0))");
  const fails = database.transaction(async (tx) => {
    await tx.query("insert into ledger values (1)");
    throw new Error("stop");
  });
  await assert.rejects(fails, /stop/);
  const swallowed = database.transaction(async (tx) => {
    await tx.query("insert into ledger values (2)");
    await tx.query("insert into ledger values (-1)").catch(() => {});
  });
  await assert.rejects(swallowed, code("VIG_INVARIANT"));
  assert.deepEqual((await database.query("select n from ledger")).rows, []);
});

test("a deadlock is retried", async () => {
  await database.query("create table pair (id int primary key, n int)");
  await database.query("insert into pair values (1, 0), (2, 0)");
  const { promise: bothHold, resolve: hold } = Promise.withResolvers<void>();
  let holding = 0;
  const cross = (first: number, second: number) =>
    database.transaction(async (tx) => {
      await tx.query("update pair set n = n + 1 where id = $1", [first]);
      holding += 1;
      if (holding === 2) hold();
      await bothHold;
      await tx.query("update pair set n = n + 1 where id = $1", [second]);
    });
  await Promise.all([cross(1, 2), cross(2, 1)]);
  assert.ok(holding > 2, "one of them ran anew");
  const { rows } = await database.query("select n from pair order by id");
  assert.deepEqual(rows, [{ n: 2 }, { n: 2 }]);
});

test("a statement alone is run anew after a deadlock", async () => {
  await database.query("create table crossed (id int primary key, n int)");
  await database.query("insert into crossed values (1, 0), (2, 0)");
  // The transaction looks for deadlocks late, so the statement alone is the one that is given up.
  const { promise: waits, resolve: waiting } = Promise.withResolvers<void>();
  const transaction = database.transaction(async (tx) => {
    await tx.query("set local deadlock_timeout = '10s'");
    await tx.query("update crossed set n = n + 1 where id = 2");
    waiting();
    await isBlocked();
    await tx.query("update crossed set n = n + 1 where id = 1");
  });
  await waits;
  await database.query(
    `update crossed set n = n + 1
      where id in (select id from crossed order by id for update)`,
  );
  await transaction;
  const { rows } = await database.query("select n from crossed order by id");
  assert.deepEqual(rows, [{ n: 2 }, { n: 2 }]);
});

/** Somebody waits for a lock of somebody else. */
async function isBlocked(): Promise<void> {
  await eventually(async () => {
    const { rows } = await database.query("select from pg_locks where not granted");
    assert.ok(rows.length > 0);
  });
}

test("timestamps are UTC and longs are numbers", async () => {
  const { rows } = await database.query<{ at: Date; n: number }>(
    "select timestamp '2026-01-05 10:00:00.123' as at, 1767607200000::bigint as n",
  );
  assert.equal(rows[0]?.at.toISOString(), "2026-01-05T10:00:00.123Z");
  assert.equal(rows[0]?.n, 1_767_607_200_000);
});

test("a server that is away, or ends our connection, is VIG_DATABASE_AWAY; a slow query is not", async () => {
  const away = open({ url: "postgres://vigie@127.0.0.1:1/vigie" });
  onTestFinished(() => away.close());
  await assert.rejects(away.ping(), code("VIG_DATABASE_AWAY"));
  const ended = database.transaction(async (tx) => {
    const { rows } = await tx.query<{ pid: number }>("select pg_backend_pid() pid");
    await database.query("select pg_terminate_backend($1)", [rows[0]?.pid]);
    await tx.query("select 1");
  });
  await assert.rejects(ended, code("VIG_DATABASE_AWAY"));
  await database.ping();
  const hasty = open({ statementTimeoutMs: 20 });
  onTestFinished(() => hasty.close());
  await assert.rejects(hasty.query("select pg_sleep(5)"), /statement timeout/);
});

test("SEC-11: TLS is asked for as sslmode says", async () => {
  const url = `${servers.postgres}?sslmode=verify-full`;
  const strict = open({ url });
  onTestFinished(() => strict.close());
  // The test server has no certificate: a client that insists must not go on in the clear.
  await assert.rejects(strict.ping(), /SSL|certificate/i);
  assert.throws(
    () => open({ url: `${servers.postgres}?sslmode=maybe` }),
    code("VIG_CONFIG_INVALID"),
  );
});

test("offsets are stored once: a second writer of the same records is refused", async () => {
  const where = { topic: "id.login", partition: 3 };
  const store = (from: number, offset: number) =>
    database.transaction((tx) => storeOffsets(tx, "g", [{ ...where, from, offset }]));
  const stored = async () => (await readOffsets(database, "g", [where]))[0]?.offset;
  assert.equal(await stored(), null);
  await store(100, 150);
  await store(150, 160);
  await store(170, 180);
  assert.equal(await stored(), 180);
  await assert.rejects(store(170, 190), code("VIG_SINK_OVERTAKEN"));
  assert.equal(await stored(), 180);
  const locked = await database.transaction((tx) => lockOffsets(tx, "g", [where]));
  assert.deepEqual(locked, [{ ...where, offset: 180 }]);
});
