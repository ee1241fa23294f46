import { randomBytes, randomUUID } from "node:crypto";
import type { Leaf } from "@vigie/audit-log/leaf";
import { silentLogger } from "@vigie/core/log";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import { createMetrics } from "@vigie/service-kit/metrics";
import { expect, test } from "vitest";
import { sampleLeaf } from "../fsck/memory-log.ts";
import { openStoredLog } from "../fsck/test-log.ts";
import { ROLE } from "../guard.ts";
import { projectionJob } from "./job.ts";
import { createProjector } from "./projector.ts";
import { refill } from "./rebuild.ts";
import { openPersons } from "./test-persons.ts";

const TENANT = "molam-sn";
const keys = derivedKeys([{ keyId: "k1", activeFromMs: 0, secret: randomBytes(32) }], Date.now);
const log = await openStoredLog();
const { db } = log;
const persons = await openPersons(db, keys, TENANT);
const sink = log.open(ROLE);
const reader = log.open("vigie_reader");
const projector = createProjector(sink, createOpenLeaves(keys));
let appended = 0;

async function append(...leaves: readonly ((number: number) => Leaf)[]): Promise<void> {
  await log.append(leaves.map((leaf, i) => leaf(appended + i)));
  appended += leaves.length;
}

async function catchUp(): Promise<number> {
  for (;;) {
    const { next, size } = await projector.step();
    if (next === size) return next;
  }
}

/** All of audit_log, as text. */
async function rows(): Promise<readonly string[]> {
  const found = await db.query<{ row: string }>(
    "select held::text as row from audit_log held order by index",
  );
  return found.rows.map(({ row }) => row);
}

const destroyed =
  (ref: string) =>
  (number: number): Leaf => ({
    ...sampleLeaf(number),
    tenant: TENANT,
    emitter: "audit-sink",
    action: "subject.key_destroyed",
    payload: { ref },
  });

const admin = await persons.add("admin-1");
const other = await persons.add("admin-2");
const user = randomUUID();

test("AUD-05, AUD-10, CNF-20: a leaf is a row of pseudonyms and of what many share", async () => {
  await append(
    (n) => persons.deed(n, admin, { action: "user.session_revoked", subject: user }),
    (n) => persons.deed(n, other, { is_impersonation: true, impersonated: user }, null),
    (n) => ({ ...sampleLeaf(n), payload: { text: "\u0000" } }),
  );
  expect(await catchUp()).toBe(3);
  const shown = await db.query("select * from admin_audit_logs order by id");
  expect(shown.rows).toEqual([
    expect.objectContaining({
      id: 0,
      admin_email: admin,
      action_type: "user.session_revoked",
      target_identifier: user,
      is_impersonation: false,
      impersonated_user_id: null,
      user_agent: "Chrome, macOS",
      created_at: new Date("2026-01-05T10:00:00.000Z"),
    }),
    expect.objectContaining({
      id: 1,
      is_impersonation: true,
      impersonated_user_id: user,
      user_agent: "unknown",
    }),
  ]);
  const services = await db.query(
    "select actor_type, actor_id, payload::text from audit_log where actor_ref is null",
  );
  const payload = '{"text":"\\u0000"}';
  expect(services.rows).toEqual([{ actor_type: "SYSTEM", actor_id: "sessions", payload }]);
});

test("TEN-02: a reader sees the rows of its tenant, in the table and in the view", async () => {
  const counted = (tenant: string) =>
    reader.inTenant(tenant, async (tx) => {
      const { rows: found } = await tx.query(
        `select (select count(*) from audit_log) as entries,
                (select count(*) from admin_audit_logs) as admins`,
      );
      return found;
    });
  expect(await counted(TENANT)).toEqual([{ entries: 3, admins: 2 }]);
  expect(await counted("molam-ci")).toEqual([{ entries: 0, admins: 0 }]);
  await expect(reader.query("delete from audit_log")).rejects.toThrow("permission denied");
});

test("CNF-20: an erasure takes from the rows of before what came out of a box", async () => {
  await persons.destroyKey(admin);
  await append(destroyed(admin), (n) => persons.deed(n, other));
  await catchUp();
  const agents = await db.query(
    "select index, user_agent from audit_log where actor_ref is not null order by 1",
  );
  expect(agents.rows).toEqual([
    { index: 0, user_agent: "erased" },
    { index: 1, user_agent: "unknown" },
    { index: 4, user_agent: "Chrome, macOS" },
  ]);
});

test("what others say of destroyed keys takes nothing out, and does not stop it", async () => {
  const forged = (payload: unknown) => (n: number) => ({
    ...destroyed(other)(n),
    emitter: "id.audit:audit-sink",
    payload,
  });
  await append(...[{ ref: other }, { ref: "no ref" }, null].map(forged));
  expect(await catchUp()).toBe(appended);
  const { rows: agents } = await db.query("select user_agent from audit_log where index = 4");
  expect(agents).toEqual([{ user_agent: "Chrome, macOS" }]);
});

test("emptied and filled again it is the same, row by row, whatever was erased meanwhile", async () => {
  const late = randomUUID();
  for (let round = 0; round < 5; round++) {
    const ref = await persons.add(`u-${round}`);
    const deeds = Array.from({ length: 300 }, () => (n: number) => persons.deed(n, ref));
    await append(...deeds.slice(0, 250));
    await catchUp();
    // The key is gone before all of its rows have been filled in.
    await append(...deeds.slice(250));
    await persons.destroyKey(ref);
    await append(destroyed(ref), destroyed(late), (n) => persons.deed(n, late));
    await catchUp();
  }
  const before = await rows();
  expect(before).toHaveLength(appended);
  expect(await refill(projector, () => {})).toBe(appended);
  expect(await rows()).toEqual(before);
});

test("it may be emptied at any time while others fill it, and nothing is there twice", async () => {
  const before = await rows();
  const more = createProjector(log.open(ROLE), createOpenLeaves(keys));
  await Promise.all([
    refill(projector, () => {}),
    refill(more, () => {}),
    more.empty(),
    projector.step(),
    more.step(),
  ]);
  await catchUp();
  expect(await rows()).toEqual(before);
});

test("a log that has become smaller is filled in anew", async () => {
  const before = await rows();
  await db.query("update audit_projection set next_index = next_index + 1");
  await catchUp();
  expect(await rows()).toEqual(before);
});

test("its searches go by indexes", async () => {
  await db.query("analyze audit_log");
  const searches = {
    idx_audit_log_by_actor_ref: `actor_ref = '${other}'`,
    idx_audit_log_by_impersonation: "is_impersonation",
    idx_audit_log_by_subject: `subject_ref = '${user}'`,
    idx_audit_log_by_action: "action = 'subject.key_destroyed'",
  };
  for (const [index, where] of Object.entries(searches)) {
    const { rows: plan } = await db.query<{ "QUERY PLAN": string }>(
      `explain select * from audit_log
        where tenant_id = (select tenant_id from audit_log limit 1) and ${where}
        order by occurred_at desc, index desc limit 50`,
    );
    expect(plan.map((line) => line["QUERY PLAN"]).join("\n")).toContain(index);
  }
});

test("it stops at a leaf that is gone, says so at the highest level, and goes on once it is back", async () => {
  await append(
    (n) => sampleLeaf(n),
    (n) => sampleLeaf(n),
  );
  await db.query("create table gone as table audit_leaves");
  await db.query("alter table audit_leaves disable trigger user");
  await db.query("delete from audit_leaves where index = $1", [appended - 1]);
  const fatal: object[] = [];
  const told = { ...silentLogger, fatal: (fields: object) => fatal.push(fields) };
  const metrics = createMetrics("test", { processMetrics: false });
  const job = projectionJob(projector, { metrics, log: told });
  await expect(job.run()).rejects.toThrow("VIG_AUDIT_LEAF_MISSING");
  expect(fatal).toEqual([expect.objectContaining({ code: "VIG_AUDIT_LEAF_MISSING" })]);
  expect(await metrics.registry.metrics()).toContain("vigie_audit_projection_lag_leaves 1");

  await db.query("insert into audit_leaves select * from gone on conflict do nothing");
  await job.run();
  expect(await rows()).toHaveLength(appended);
  expect(await metrics.registry.metrics()).toContain("vigie_audit_projection_lag_leaves 0");
});
