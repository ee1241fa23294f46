import { type Logger, silentLogger } from "@vigie/core/log";
import type { Database } from "@vigie/service-kit/postgres/database";
import { expect, onTestFinished, test } from "vitest";
import { checkUnchangeable, ROLE } from "./guard.ts";
import { idsInOrder, itemsOf, storeOver, testLog, upTo } from "./test-store.ts";

const log = testLog();

const KEPT = [
  "audit_leaves",
  "audit_tiles",
  "audit_checkpoints",
  "audit_cosignatures",
  "audit_large_payloads",
  "audit_tenant_keys",
  "audit_conflicts",
];

test("AUD-01: the service's role can neither change nor delete, and neither can the owner's", async () => {
  await storeOver(log.service).write({ items: itemsOf(1, 260) }, upTo(261));
  for (const table of KEPT) {
    const refused = [`delete from ${table}`, `truncate ${table}`];
    const more = [
      `drop trigger no_change on ${table}`,
      `alter table ${table} disable trigger no_change`,
      `drop table ${table}`,
    ];
    for (const sql of [...refused, ...more]) {
      await expect(log.service.query(sql), sql).rejects.toThrow();
    }
    // A trigger for each row has nothing to refuse where there is none.
    await expect(log.owner.query(`truncate ${table}`), table).rejects.toThrow("is refused");
  }
  const changes = [
    "update audit_leaves set key_id = 'x'",
    "delete from audit_leaves",
    "update audit_tiles set root = hashes",
    "delete from audit_tiles",
    "update audit_tenant_keys set key_id = 'x'",
    "delete from audit_tenant_keys",
    "update audit_subjects set key_id = 'x'",
  ];
  for (const sql of changes) {
    await expect(log.service.query(sql), sql).rejects.toThrow("permission denied");
    await expect(log.owner.query(sql), sql).rejects.toThrow("is refused");
    const replica = log.owner.transaction(async (tx) => {
      await tx.query("set local session_replication_role = replica");
      await tx.query(sql);
    });
    await expect(replica, sql).rejects.toThrow("is refused");
  }
  expect(await idsInOrder(log)).toHaveLength(260);
});

test("the owner of the tables cannot log in, and the chain of before is out of the service's reach", async () => {
  const { rows } = await log.owner.query(
    `select rolcanlogin from pg_roles join pg_class on relowner = pg_roles.oid
      where pg_class.oid = 'audit_leaves'::regclass`,
  );
  expect(rows).toEqual([{ rolcanlogin: false }]);
  await expect(log.service.query("select * from audit_log_retired")).rejects.toThrow("denied");
});

const planted = (table: string): readonly (readonly [plant: string, remove: string])[] => [
  [`grant update (index) on ${table} to ${ROLE}`, `revoke update (index) on ${table} from ${ROLE}`],
  [`grant delete on ${table} to ${ROLE}`, `revoke delete on ${table} from ${ROLE}`],
  [`grant truncate on ${table} to ${ROLE}`, `revoke truncate on ${table} from ${ROLE}`],
  [`grant trigger on ${table} to ${ROLE}`, `revoke trigger on ${table} from ${ROLE}`],
  [
    `alter table ${table} disable trigger no_change`,
    `alter table ${table} enable always trigger no_change`,
  ],
  [
    `alter table ${table} enable trigger no_truncate`,
    `alter table ${table} enable always trigger no_truncate`,
  ],
];

test("a service that could change the log refuses to start", async () => {
  const check = (db: Database, strict = false) =>
    checkUnchangeable(db, { strict, log: silentLogger });
  await check(log.service);
  await expect(check(log.owner)).rejects.toThrow("VIG_AUDIT_NOT_PROTECTED");
  await expect(check(log.service, true)).rejects.toThrow("is a superuser or owns the tables");
  for (const table of ["audit_leaves", "audit_tiles"]) {
    for (const [plant, remove] of planted(table)) {
      await log.owner.query(plant);
      await expect(check(log.service), plant).rejects.toThrow("VIG_AUDIT_NOT_PROTECTED");
      await log.owner.query(remove);
    }
  }
  await check(log.service);
});

test("a login that could change the log is warned of outside production", async () => {
  const warned: object[] = [];
  const recording: Logger = { ...silentLogger, warn: (fields) => void warned.push(fields) };
  await checkUnchangeable(log.service, { strict: false, log: recording });
  expect(warned).toHaveLength(1);
});

test("TEN-02: the edge sees leaves, boxes' keys and payloads of its tenant only, and of all hashes", async () => {
  const text = JSON.stringify({ text: "x".repeat(70_000) });
  const items = [
    ...itemsOf(1, 2, { payload: text }),
    ...itemsOf(3, 3, { tenant_id: "molam-ci", payload: text }),
  ];
  await storeOver(log.service).write({ items }, upTo(6));
  const edge = log.open({ role: "vigie_edge" });
  onTestFinished(() => edge.close());
  const countOf = (table: string) => `select count(*) as count from ${table}`;
  const tables = ["audit_leaves", "audit_subjects", "audit_tenant_keys", "audit_large_payloads"];
  for (const [tenant, expected] of [
    ["molam-sn", [2, 2, 1, 2]],
    ["molam-ci", [3, 2, 1, 3]],
    ["molam-fr", [0, 0, 0, 0]],
  ] as const) {
    const seen = await edge.inTenant(tenant, async (tx) => {
      const counts: number[] = [];
      for (const table of tables) {
        const { rows } = await tx.query<{ count: number }>(countOf(table));
        counts.push(rows[0]?.count ?? -1);
      }
      return counts;
    });
    expect(seen, tenant).toEqual(expected);
  }
  const { rows: none } = await edge.query(countOf("audit_leaves"));
  expect(none).toEqual([{ count: 0 }]);
  const { rows: hashes } = await edge.query(countOf("audit_leaf_hashes"));
  expect(hashes).toEqual([{ count: 5 }]);
  for (const table of tables) {
    await expect(edge.query(`delete from ${table}`)).rejects.toThrow("permission denied");
  }
});
