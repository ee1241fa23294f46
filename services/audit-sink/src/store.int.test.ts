import { resolve } from "node:path";
import { VigError } from "@vigie/core/errors";
import { type Logger, silentLogger } from "@vigie/core/log";
import {
  type Database,
  openDatabase,
  type PoolOptions,
  schemaOf,
} from "@vigie/service-kit/postgres/database";
import { migrate, migrationFolders } from "@vigie/service-kit/postgres/migrate";
import type { NextOffset } from "@vigie/service-kit/postgres/sink-offsets";
import { stack, type TestStack } from "@vigie/testkit/stack";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { EMPTY_HEAD } from "./chain.ts";
import { entryOfAudit } from "./entry.ts";
import { checkUnchangeable, ROLE } from "./guard.ts";
import { SEALED } from "./seal.ts";
import { type AuditItem, createAuditStore } from "./store.ts";
import { auditEvent, keys, sealing, signers } from "./testing.ts";
import { verifyAudit } from "./verify.ts";

const root = resolve(import.meta.dirname, "../../..");
const topic = "id.audit";
let servers: TestStack;
let schema: string;
/** As the migrations ran: superuser and owner. */
let owner: Database;
/** As the service works. */
let service: Database;

const open = (over: Partial<PoolOptions> = {}): Database =>
  openDatabase({
    url: servers.postgres,
    applicationName: "test",
    schema,
    statementTimeoutMs: 20_000,
    poolMax: 4,
    log: silentLogger,
    ...over,
  });

beforeAll(async () => {
  servers = await stack();
  schema = schemaOf(servers.prefix);
  const wanted = ["platform", "audit-sink"];
  const folders = migrationFolders(root).filter((folder) => wanted.includes(folder.owner));
  await migrate({ url: servers.postgres, schema, folders, log: silentLogger });
  owner = open();
  service = open({ role: ROLE });
});
afterAll(async () => {
  await owner.query(`drop schema "${schema}" cascade`);
  await Promise.all([owner.close(), service.close()]);
  await servers.close();
});
beforeEach(async () => {
  await asOwner("truncate audit_log, audit_conflicts");
  await owner.query("truncate sink_offsets");
});

/** Only whoever may switch the triggers off gets past them. */
async function asOwner(sql: string): Promise<void> {
  const tables = ["audit_log", "audit_conflicts"];
  for (const table of tables) await owner.query(`alter table ${table} disable trigger user`);
  await owner.query(sql);
  for (const table of tables) {
    await owner.query(`alter table ${table} enable always trigger no_change`);
    await owner.query(`alter table ${table} enable always trigger no_truncate`);
  }
}

/** Entries e-<from> … at offsets from.. of partition 0. */
function itemsOf(
  from: number,
  count: number,
  over: Parameters<typeof auditEvent>[1] = {},
): AuditItem[] {
  return Array.from({ length: count }, (_, i) => {
    const offset = from + i;
    const entry = entryOfAudit(auditEvent(offset, over), { topic, partition: 0, offset });
    return { entry, value: Buffer.from(`value ${offset}`) };
  });
}
const upTo = (offset: number, partition = 0): NextOffset[] => [
  { topic, partition, from: 0, offset },
];
const storeOver = (db: Database) => createAuditStore(db, sealing);

async function idsInOrder(): Promise<string[]> {
  const { rows } = await owner.query<{ event_id: string }>(
    "select event_id from audit_log order by index",
  );
  return rows.map((row) => row.event_id);
}
const names = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `e-${from + i}`);

test("entries are appended in order, gapless, and offsets with them", async () => {
  const store = storeOver(service);
  expect(await store.write(itemsOf(0, 3), upTo(3))).toMatchObject({ appended: 3, headIndex: 3 });
  expect(await store.write(itemsOf(3, 2), upTo(9))).toMatchObject({ appended: 2, headIndex: 5 });
  expect(await idsInOrder()).toEqual(names(0, 5));
  expect(await store.positions([{ topic, partition: 0 }])).toEqual([
    { topic, partition: 0, offset: 9 },
  ]);
  const verdict = await verifyAudit(service, signers);
  expect(verdict).toMatchObject({ sound: 5, bad: null });
});

test("AUD-01: a store that lost entries, as after a restore, is filled again without a gap", async () => {
  const store = storeOver(service);
  await store.write(itemsOf(0, 3), upTo(3));
  await store.write(itemsOf(3, 2), upTo(5));
  await asOwner("delete from audit_log where index > 3");
  await owner.query("update sink_offsets set next_offset = 3");
  const rewind = [{ topic, partition: 0, offset: 3 }];
  expect(await store.write(itemsOf(5, 1), upTo(6))).toEqual({ rewind });
  expect(await store.write(itemsOf(3, 3), upTo(6))).toMatchObject({ appended: 3, headIndex: 6 });
  expect(await idsInOrder()).toEqual(names(0, 6));
  expect(await verifyAudit(service, signers)).toMatchObject({ sound: 6, bad: null });
});

test("a write whose answer was lost, tried again, adds nothing", async () => {
  const lossy: Database = {
    ...service,
    async transaction(work) {
      await service.transaction(work);
      throw new VigError("VIG_DATABASE_AWAY", { why: "connection lost after the commit" });
    },
  };
  await expect(storeOver(lossy).write(itemsOf(0, 3), upTo(3))).rejects.toThrow("DATABASE_AWAY");
  const again = await storeOver(service).write(itemsOf(0, 3), upTo(3));
  expect(again).toMatchObject({ appended: 0, repeated: 0, headIndex: 3 });
  expect(await idsInOrder()).toEqual(names(0, 3));
});

test("a write that fails half-way leaves neither entries nor offsets", async () => {
  const store = storeOver(service);
  const steps = ["audit_head", "audit_log", "insert into audit_log", "insert into sink_offsets"];
  for (const step of steps) {
    const failing: Database = {
      ...service,
      transaction: (work) =>
        service.transaction((tx) =>
          work({
            query: (text, values) =>
              text.includes(step)
                ? Promise.reject(new Error(`no ${step}`))
                : tx.query(text, values),
          }),
        ),
    };
    await expect(storeOver(failing).write(itemsOf(0, 2), upTo(2))).rejects.toThrow(`no ${step}`);
    expect(await idsInOrder()).toEqual([]);
    expect((await store.positions([{ topic, partition: 0 }]))[0]?.offset).toBeNull();
  }
});

test("an event that is published twice is one entry", async () => {
  const store = storeOver(service);
  const [first, second] = itemsOf(0, 2) as [AuditItem, AuditItem];
  const origin = { topic, partition: 0, offset: 2 };
  const twin: AuditItem = { ...first, entry: { ...first.entry, origin } };
  expect(await store.write([first, second, twin], upTo(3))).toMatchObject({
    appended: 2,
    repeated: 1,
    conflicts: [],
  });
  const later = { ...first, entry: { ...first.entry, origin: { ...origin, offset: 3 } } };
  expect(await store.write([later], upTo(4))).toMatchObject({ appended: 0, repeated: 1 });
});

test("another event under a known id is kept aside, sealed; the first stays", async () => {
  const store = storeOver(service);
  await store.write(itemsOf(0, 1), upTo(1));
  const entry = entryOfAudit(auditEvent(0, { action: "forged" }), {
    topic,
    partition: 0,
    offset: 1,
  });
  const written = await store.write([{ entry, value: Buffer.from("forged") }], upTo(2));
  expect(written).toMatchObject({ appended: 0, repeated: 0, conflicts: [{ eventId: "e-0" }] });
  const { rows } = await owner.query<{ event_id: string; value_sealed: string }>(
    "select event_id, value_sealed from audit_conflicts",
  );
  expect(rows).toHaveLength(1);
  const sealed = Buffer.from(rows[0]?.value_sealed ?? "", "base64");
  expect(keys.decrypt(SEALED.conflict, sealed, "molam-sn").toString()).toBe("forged");
  expect((await verifyAudit(service, signers)).bad).toBeNull();
});

test("one id in two tenants is two entries", async () => {
  const items = [...itemsOf(0, 1), ...itemsOf(1, 1, { event_id: "e-0", tenant_id: "molam-ci" })];
  expect(await storeOver(service).write(items, upTo(2))).toMatchObject({ appended: 2 });
});

test("writers at the same time make one chain", async () => {
  const other = open({ role: ROLE });
  onTestFinished(() => other.close());
  const writes = Array.from({ length: 12 }, (_, i) => {
    const partition = i % 6;
    const items = itemsOf(i * 10, 10).map(({ entry, value }) => ({
      value,
      entry: { ...entry, origin: { topic, partition, offset: entry.origin.offset } },
    }));
    return storeOver(i % 2 === 0 ? service : other).write(items, upTo(i * 10 + 10, partition));
  });
  await Promise.all(writes);
  expect(await verifyAudit(service, signers)).toMatchObject({
    sound: expect.any(Number),
    bad: null,
  });
  expect(new Set(await idsInOrder()).size).toBe((await idsInOrder()).length);
});

test("odd content is appended, not refused: any time, any text", async () => {
  const odd = [
    auditEvent(0, { occurred_at: Number.MAX_SAFE_INTEGER }),
    auditEvent(1, { occurred_at: Number.MIN_SAFE_INTEGER }),
    auditEvent(2, { payload: '{"text":"\\u0000 ü 😀"}', action: "" }),
    auditEvent(3, { actor: { ...auditEvent(3).actor, user_agent: "\0".repeat(9), ip: "nowhere" } }),
  ];
  const items = odd.map((event, offset) => ({
    entry: entryOfAudit(event, { topic, partition: 0, offset }),
    value: Buffer.alloc(0),
  }));
  expect(await storeOver(service).write(items, upTo(4))).toMatchObject({ appended: 4 });
  expect(await verifyAudit(service, signers)).toMatchObject({ sound: 4, bad: null });
});

test("AUD-01: the service's role can neither change nor delete, and neither can the owner's", async () => {
  await storeOver(service).write(itemsOf(0, 2), upTo(2));
  const changes = [
    "update audit_log set action = 'x'",
    "update audit_log set action = 'x' where false",
    "delete from audit_log",
    "truncate audit_log",
    "delete from audit_conflicts",
    "drop trigger no_change on audit_log",
    "alter table audit_log disable trigger no_change",
    "drop table audit_log",
  ];
  for (const sql of changes) await expect(service.query(sql), sql).rejects.toThrow();
  for (const sql of changes.slice(0, 1).concat("delete from audit_log", "truncate audit_log")) {
    await expect(owner.query(sql), sql).rejects.toThrow("is refused");
    const replica = owner.transaction(async (tx) => {
      await tx.query("set local session_replication_role = replica");
      await tx.query(sql);
    });
    await expect(replica, sql).rejects.toThrow("is refused");
  }
  expect(await idsInOrder()).toEqual(names(0, 2));
});

test("a service that could change the log refuses to start", async () => {
  const check = (db: Database, strict = false) =>
    checkUnchangeable(db, { strict, log: silentLogger });
  await check(service);
  await expect(check(owner)).rejects.toThrow("VIG_AUDIT_NOT_PROTECTED");
  await expect(check(service, true)).rejects.toThrow("is a superuser or owns the tables");
  const planted: readonly [string, string][] = [
    [
      `grant update (action) on audit_log to ${ROLE}`,
      `revoke update (action) on audit_log from ${ROLE}`,
    ],
    [`grant delete on audit_log to ${ROLE}`, `revoke delete on audit_log from ${ROLE}`],
    [
      `grant truncate on audit_conflicts to ${ROLE}`,
      `revoke truncate on audit_conflicts from ${ROLE}`,
    ],
    [
      "alter table audit_log disable trigger no_change",
      "alter table audit_log enable always trigger no_change",
    ],
    [
      "alter table audit_log enable trigger no_truncate",
      "alter table audit_log enable always trigger no_truncate",
    ],
  ];
  for (const [plant, remove] of planted) {
    await owner.query(plant);
    await expect(check(service), plant).rejects.toThrow("VIG_AUDIT_NOT_PROTECTED");
    await owner.query(remove);
  }
  await check(service);
});

test("a login that could change the log is warned of outside production", async () => {
  const warned: object[] = [];
  const log: Logger = { ...silentLogger, warn: (fields) => void warned.push(fields) };
  await checkUnchangeable(service, { strict: false, log });
  expect(warned).toHaveLength(1);
});

test("what a superuser tampered with is found, at the first bad row", async () => {
  await storeOver(service).write(itemsOf(0, 10), upTo(10));
  const { head } = await verifyAudit(service, signers);
  const tampers: readonly [string, number][] = [
    ["update audit_log set payload = '{}' where index = 4", 4],
    ["update audit_log set occurred_at = now() where index = 6", 6],
    ["update audit_log set tenant_id = gen_random_uuid() where index = 2", 2],
    ["update audit_log set signature = repeat('0', 64) where index = 9", 9],
    ["update audit_log set ip_sealed = null where index = 1", 1],
    ["delete from audit_log where index = 5", 5],
    ["delete from audit_log where index = 1", 1],
    ["update audit_log set index = 11 where index = 10", 10],
  ];
  for (const [sql, index] of tampers) {
    await owner.query("create table kept as select * from audit_log");
    await asOwner(sql);
    expect((await verifyAudit(service, signers)).bad?.index, sql).toBe(index);
    await asOwner("truncate audit_log; insert into audit_log select * from kept; drop table kept");
  }
  expect((await verifyAudit(service, signers, head)).bad).toBeNull();
  await asOwner("delete from audit_log where index > 7");
  expect((await verifyAudit(service, signers)).bad).toBeNull();
  expect((await verifyAudit(service, signers, head)).bad).toEqual({
    index: 8,
    why: "the end of the chain is missing",
  });
});

test("an anchor that is another row is found", async () => {
  await storeOver(service).write(itemsOf(0, 3), upTo(3));
  const anchor = { ...EMPTY_HEAD, index: 2, signature: "f".repeat(64) };
  expect((await verifyAudit(service, signers, anchor)).bad?.index).toBe(2);
});

test("TEN-02: a reader sees its tenant's entries only, and no sealed address", async () => {
  const items = [...itemsOf(0, 2), ...itemsOf(2, 3, { tenant_id: "molam-ci" })];
  await storeOver(service).write(items, upTo(5));
  const reader = open({ role: "vigie_reader" });
  onTestFinished(() => reader.close());
  const count = "select count(*) as count from audit_log";
  const seen = (tenant: string) =>
    reader.inTenant(
      tenant,
      async (tx) => (await tx.query<{ count: number }>(count)).rows[0]?.count,
    );
  expect([await seen("molam-sn"), await seen("molam-ci"), await seen("molam-fr")]).toEqual([
    2, 3, 0,
  ]);
  expect((await reader.query<{ count: number }>(count)).rows[0]?.count).toBe(0);
  await expect(reader.query("select ip_sealed from audit_log")).rejects.toThrow(
    "permission denied",
  );
  await expect(reader.query("delete from audit_log")).rejects.toThrow("permission denied");
});

/** A quiet machine appends 18,000 a second; only a collapse fails, since others may use this one. */
const ENTRIES_PER_SECOND_MIN = 1_000;

test("thousands of entries a second are appended", async () => {
  const store = storeOver(service);
  await store.write(itemsOf(0, 2_000), upTo(2_000));
  const batches = Array.from({ length: 8 }, (_, i) => itemsOf(2_000 * (i + 1), 2_000));
  const startedMs = performance.now();
  for (const [i, items] of batches.entries()) await store.write(items, upTo(2_000 * (i + 2)));
  const perSecond = Math.round(16_000 / ((performance.now() - startedMs) / 1_000));
  console.log(`audit store: ${perSecond} entries/s`);
  expect(perSecond).toBeGreaterThan(ENTRIES_PER_SECOND_MIN);
});
