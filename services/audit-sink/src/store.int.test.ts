import { VigError } from "@vigie/core/errors";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Database } from "@vigie/service-kit/postgres/database";
import { expect, onTestFinished, test } from "vitest";
import { CONFLICT } from "./conflicts.ts";
import { entryOfAudit } from "./entry.ts";
import { ROLE } from "./guard.ts";
import type { AuditItem } from "./items.ts";
import { systemRandom } from "./random.ts";
import { createSigners } from "./signer.ts";
import {
  asOwner,
  expectSound,
  idsInOrder,
  itemOf,
  itemsOf,
  leavesOf,
  openedOf,
  storeOver,
  testLog,
  topic,
  upTo,
} from "./test-store.ts";
import { auditEvent, keys, SECRET, T0 } from "./testing.ts";

const log = testLog();

const names = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `e-${from + i}`);

test("entries are appended in order, gapless from 0, and offsets with them", async () => {
  const store = storeOver(log.service);
  expect(await store.write({ items: itemsOf(1, 3) }, upTo(4))).toMatchObject({
    appended: 3,
    size: 3,
  });
  expect(await store.write({ items: itemsOf(4, 2) }, upTo(9))).toMatchObject({
    appended: 2,
    size: 5,
  });
  expect(await idsInOrder(log)).toEqual(names(1, 5));
  expect(await store.positions([{ topic, partition: 0 }])).toEqual([
    { topic, partition: 0, offset: 9 },
  ]);
  await expectSound(log);
});

test("tiles and proofs hold over the sizes around full tiles, by one store or by many", async () => {
  let at = 1;
  let store = storeOver(log.service);
  for (const count of [255, 1, 1, 254, 257, 600]) {
    await store.write({ items: itemsOf(at, count) }, upTo(at + count));
    at += count;
    await expectSound(log);
    if (count === 254) store = storeOver(log.service);
  }
});

test("AUD-01: a store that is exchanged for another one of the same size is not taken for the one before", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 3) }, upTo(4));
  await asOwner(
    log,
    `delete from audit_leaves; delete from sink_offsets; delete from audit_emitters;
     delete from audit_subjects; delete from audit_tenant_keys;
     update audit_head set size = 0, frontier = '{}'`,
  );
  const items = itemsOf(1, 3, { action: "another" });
  await storeOver(log.service, { random: systemRandom }).write({ items }, upTo(4));
  await store.write({ items: itemsOf(4, 1) }, upTo(5));
  await expectSound(log);
  const [, , , last] = await leavesOf(log);
  expect((await openedOf(log, last as never)).known).toMatchObject({ subject_user_id: "u-1" });
});

test("two spellings of a tenant that is a UUID share its key, and neither stops the sink", async () => {
  const tenant = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
  const of = (tenant_id: string, number: number) =>
    itemOf(auditEvent(number, { tenant_id, subject_user_id: `u-${number}` }), number);
  const store = storeOver(log.service);
  await store.write({ items: [of(tenant, 1)] }, upTo(2));
  await store.write({ items: [of(tenant.toUpperCase(), 2), of(tenant, 3)] }, upTo(4));
  for (const [i, leaf] of (await leavesOf(log)).entries()) {
    expect((await openedOf(log, leaf)).known).toMatchObject({ subject_user_id: `u-${i + 1}` });
  }
});

test("AUD-01: a store that lost entries, as after a restore, is filled again without a gap", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 3) }, upTo(4));
  const { rows } = await log.owner.query<{ frontier: Buffer[] }>("select frontier from audit_head");
  await store.write({ items: itemsOf(4, 2) }, upTo(6));
  await asOwner(
    log,
    `delete from audit_leaves where index > 2; update sink_offsets set next_offset = 4;
     delete from audit_emitters; delete from audit_subjects; delete from audit_tenant_keys`,
  );
  await log.owner.query("update audit_head set size = 3, frontier = $1", [rows[0]?.frontier]);
  const rewind = [{ topic, partition: 0, offset: 4 }];
  expect(await store.write({ items: itemsOf(6, 1) }, upTo(7))).toEqual({ rewind });
  expect(await store.write({ items: itemsOf(4, 3) }, upTo(7))).toMatchObject({
    appended: 3,
    size: 6,
  });
  expect((await idsInOrder(log)).filter((id) => id.startsWith("e-"))).toEqual(names(1, 6));
  await expectSound(log);
  // Keys that the restore took away are not sealed with again.
  const [, , , leaf] = await leavesOf(log);
  expect((await openedOf(log, leaf as never)).known).toMatchObject({ subject_user_id: "u-1" });
});

test("a write whose answer was lost, tried again, adds nothing", async () => {
  const lossy: Database = {
    ...log.service,
    async transaction(work) {
      await log.service.transaction(work);
      throw new VigError("VIG_DATABASE_AWAY", { why: "connection lost after the commit" });
    },
  };
  const lost = storeOver(lossy).write({ items: itemsOf(1, 3) }, upTo(4));
  await expect(lost).rejects.toThrow("DATABASE_AWAY");
  const again = await storeOver(log.service).write({ items: itemsOf(1, 3) }, upTo(4));
  expect(again).toMatchObject({ appended: 0, repeated: 0, size: 3 });
  expect(await idsInOrder(log)).toEqual(names(1, 3));
});

const STEPS = [
  "from audit_head",
  "from audit_subjects",
  "into audit_tenant_keys",
  "into audit_subjects",
  "into audit_leaves",
  "into audit_tiles",
  "into audit_emitters",
  "update audit_head",
  "into sink_offsets",
];

test("a write that fails at any step leaves nothing, and the next try makes the tree of an undisturbed run", async () => {
  await storeOver(log.service).write({ items: itemsOf(1, 300) }, upTo(301));
  const undisturbed = await expectSound(log);
  for (const step of STEPS) {
    await asOwner(log, "truncate audit_leaves, audit_tiles, audit_tenant_keys, audit_subjects");
    await log.owner.query("truncate audit_emitters, sink_offsets");
    await log.owner.query("update audit_head set size = 0, frontier = '{}'");
    let failures = 0;
    const failing: Database = {
      ...log.service,
      transaction: (work) =>
        log.service.transaction((tx) =>
          work({
            query: (text, values) =>
              text.includes(step) && failures++ === 0
                ? Promise.reject(new Error(`no ${step}`))
                : tx.query(text, values),
          }),
        ),
    };
    const store = storeOver(failing);
    const write = () => store.write({ items: itemsOf(1, 300) }, upTo(301));
    await expect(write(), step).rejects.toThrow(`no ${step}`);
    expect(await idsInOrder(log)).toEqual([]);
    expect((await store.positions([{ topic, partition: 0 }]))[0]?.offset).toBeNull();
    expect(await write(), step).toMatchObject({ appended: 300 });
    expect(await expectSound(log)).toBe(undisturbed);
    // With the keys that the failed try had made and lost nothing could be opened.
    const [leaf] = await leavesOf(log);
    expect((await openedOf(log, leaf as never)).known).toMatchObject({ subject_user_id: "u-1" });
  }
});

test("nothing is appended to a tree that is not admitted, and offsets stay", async () => {
  const sizes: bigint[] = [];
  let refused = false;
  const admit = (size: bigint): void => {
    sizes.push(size);
    if (refused)
      throw new VigError("VIG_AUDIT_TREE_BEHIND", { size: "2", signed: "3", where: "x" });
  };
  const store = storeOver(log.service, { admit });
  await store.write({ items: itemsOf(1, 2) }, upTo(3));
  refused = true;
  await expect(store.write({ items: itemsOf(3, 1) }, upTo(4))).rejects.toThrow("TREE_BEHIND");
  expect(await idsInOrder(log)).toEqual(names(1, 2));
  refused = false;
  await store.write({ items: itemsOf(3, 1) }, upTo(4));
  expect(sizes).toEqual([0n, 2n, 2n]);
  expect(await idsInOrder(log)).toEqual(names(1, 3));
});

test("an event that is published twice is one leaf", async () => {
  const store = storeOver(log.service);
  const [first, second] = itemsOf(1, 2) as [AuditItem, AuditItem];
  const at = (offset: number) => ({ topic, partition: 0, offset, timestampMs: T0 });
  const twin: AuditItem = { ...first, entry: { ...first.entry, origin: at(3) } };
  expect(await store.write({ items: [first, second, twin] }, upTo(4))).toMatchObject({
    appended: 2,
    repeated: 1,
    conflicts: [],
  });
  const later = { ...first, entry: { ...first.entry, origin: at(4) } };
  const again = await store.write({ items: [later] }, upTo(5));
  expect(again).toMatchObject({ appended: 0, repeated: 1 });
});

test("a repetition is known by its content also after the signing secret was replaced", async () => {
  await storeOver(log.service).write({ items: itemsOf(1, 1) }, upTo(2));
  const replaced = createSigners("the next secret of tests, long enough", [SECRET]);
  const store = storeOver(log.service, { signers: replaced });
  const same = itemOf(auditEvent(1), 2);
  const forged = itemOf(auditEvent(1, { action: "forged" }), 3);
  const written = await store.write({ items: [same, forged, ...itemsOf(4, 1)] }, upTo(5));
  expect(written).toMatchObject({ appended: 1, repeated: 1, conflicts: [{ action: "forged" }] });
  const { rows } = await log.owner.query("select distinct key_id from audit_leaves");
  expect(rows).toHaveLength(2);
});

test("after a change of the platform's keys new subjects are wrapped under the new one, and all open", async () => {
  let nowMs = T0;
  const masters = [1, 2].map((fill) => ({
    keyId: `k${fill}`,
    activeFromMs: fill === 1 ? 0 : T0 + 10,
    secret: Buffer.alloc(32, fill),
  }));
  const rotating = derivedKeys(masters, () => nowMs);
  const store = storeOver(log.service, { keys: rotating });
  await store.write({ items: itemsOf(1, 1, { subject_user_id: "u-old" }) }, upTo(2));
  nowMs = T0 + 20;
  const items = ["u-old", "u-new"].map((subject_user_id, i) =>
    itemOf(auditEvent(i + 2, { subject_user_id }), i + 2),
  );
  await storeOver(log.service, { keys: rotating }).write({ items }, upTo(4));
  const { rows } = await log.owner.query(
    "select key_id, count(*) from audit_subjects group by 1 order by 1",
  );
  expect(rows).toEqual([
    { key_id: "k1", count: 2 },
    { key_id: "k2", count: 1 },
  ]);
  const leaves = await leavesOf(log);
  const opened = await createOpenLeaves(rotating)(log.owner, leaves);
  expect(opened.map(({ boxes }) => Object.keys(boxes).length)).toEqual([2, 2, 2]);
});

test("another event under a known id is kept aside, sealed; the first stays", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 1) }, upTo(2));
  const forged = (offset: number) => ({
    ...itemOf(auditEvent(1, { action: "forged" }), offset),
    value: Buffer.from("forged by admin-1"),
  });
  // Across batches, and within one.
  const items = [forged(2), itemOf(auditEvent(3), 3), itemOf(auditEvent(3, { action: "x" }), 4)];
  const written = await store.write({ items }, upTo(5));
  expect(written).toMatchObject({ appended: 1, repeated: 0 });
  expect(written).toMatchObject({ conflicts: [{ eventId: "e-1" }, { eventId: "e-3" }] });
  const { rows } = await log.owner.query<{ value_sealed: string; refs: string }>(
    "select value_sealed, refs::text as refs from audit_conflicts order by source_offset",
  );
  expect(rows).toHaveLength(2);
  const inner = keys.decrypt(
    CONFLICT,
    Buffer.from(rows[0]?.value_sealed ?? "", "base64"),
    "molam-sn",
  );
  // Under the keys of both persons whom it names.
  expect(inner.includes("forged")).toBe(false);
  expect(rows[0]?.refs.split(",")).toHaveLength(2);
  await expectSound(log);
});

test("what comes again for a leaf that somebody has spoilt is kept aside, and nothing stands still", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 1) }, upTo(2));
  await asOwner(log, "update audit_leaves set leaf = 'spoilt'");
  const written = await store.write(
    { items: [itemOf(auditEvent(1), 2), ...itemsOf(3, 1)] },
    upTo(4),
  );
  expect(written).toMatchObject({ appended: 1, conflicts: [{ eventId: "e-1" }] });
});

test("one id in two tenants is two leaves", async () => {
  const items = [...itemsOf(1, 1), itemOf(auditEvent(2, { event_id: "e-1", tenant_id: "ci" }), 2)];
  expect(await storeOver(log.service).write({ items }, upTo(3))).toMatchObject({ appended: 2 });
});

test("writers at the same time make one log", async () => {
  const other = log.open({ role: ROLE });
  onTestFinished(() => other.close());
  const stores = [storeOver(log.service), storeOver(other)];
  const writes = Array.from({ length: 12 }, (_, i) => {
    const partition = i % 6;
    const items = itemsOf(i * 10, 10).map(({ entry, value }) => ({
      value,
      entry: { ...entry, emitter: `e.${i}`, origin: { ...entry.origin, partition } },
    }));
    return stores[i % 2]?.write({ items }, upTo(i * 10 + 10, partition));
  });
  const written = await Promise.all(writes);
  expect(written.every((each) => each !== undefined && "size" in each)).toBe(true);
  expect(new Set(await idsInOrder(log)).size).toBe((await idsInOrder(log)).length);
  await expectSound(log);
});

test("odd content is appended, not refused: any time, any text", async () => {
  const { actor } = auditEvent(0);
  const odd = [
    auditEvent(1, { occurred_at: Number.MAX_SAFE_INTEGER }),
    auditEvent(2, { occurred_at: Number.MIN_SAFE_INTEGER }),
    auditEvent(3, { payload: '{"text":"\\u0000 ü 😀"}', action: "" }),
    auditEvent(4, { actor: { ...actor, user_agent: "\0".repeat(9), ip: "nowhere" } }),
    auditEvent(5, { payload: '"\\ud800"' }),
    auditEvent(6, { payload: '{"n":1e999}' }),
    auditEvent(7, { payload: `${"[".repeat(254)}${"]".repeat(254)}` }),
    auditEvent(8, { subject_user_id: null, payload: '{"\\udfff":1}' }),
    auditEvent(9, { actor: { ...actor, type: "UNKNOWN" } }),
  ];
  const items = odd.map((event, i) => itemOf(event, i + 1));
  const written = await storeOver(log.service).write({ items }, upTo(10));
  expect(written).toMatchObject({ appended: 9 });
  await expectSound(log);
});

test("one user under both spellings of a UUID, or under the id made of a name, is one subject", async () => {
  const uuid = "0A0B0C0D-1111-4222-8333-444455556666";
  const users = [uuid, uuid.toLowerCase(), uuid];
  const items = users.map((subject_user_id, i) =>
    itemOf(auditEvent(i + 1, { subject_user_id }), i),
  );
  await storeOver(log.service).write({ items }, upTo(3));
  const leaves = await leavesOf(log);
  expect(new Set(leaves.map(({ subject }) => subject)).size).toBe(1);
  await storeOver(log.service).write({ items: itemsOf(4, 1, { subject_user_id: uuid }) }, upTo(5));
  expect((await leavesOf(log))[3]?.subject).toBe(leaves[0]?.subject);
});

test("AUD-04: a payload that does not fit a leaf lies aside, sealed like it, and is committed to", async () => {
  const text = "x".repeat(1_048_576);
  const payload = JSON.stringify({ text });
  const events = [
    auditEvent(1, { payload }),
    auditEvent(2, { payload, subject_user_id: null }),
    auditEvent(3, { payload: JSON.stringify({ text: "y".repeat(40_000) }) }),
  ];
  const items = events.map((event, i) => itemOf(event, i + 1));
  await storeOver(log.service).write({ items }, upTo(4));
  const leaves = await leavesOf(log);
  const opened = await Promise.all(leaves.map((leaf) => openedOf(log, leaf)));
  const asides = opened.map(({ aside }) => (aside == null ? null : JSON.parse(aside)));
  expect(asides[0].fields).toEqual({ payload: { text } });
  expect(asides[1]).toEqual({ payload: { text } });
  expect(asides[2]).toBeNull();
  expect(leaves[0]?.payload_aside?.bytes).toBe(opened[0]?.aside?.length);
  expect(opened[2]?.known).toMatchObject({ payload: { text: "y".repeat(40_000) } });
  await expectSound(log);
});

test("what is in boxes is who did it, to whom, from where, with what; nothing of it is outside", async () => {
  const event = auditEvent(1, { is_impersonation: true, impersonated_user_id: "u-7" });
  const actor = { ...event.actor, impersonator_id: "boss-1" };
  const entry = entryOfAudit(
    { ...event, actor },
    { topic, partition: 0, offset: 1, timestampMs: T0 },
  );
  await storeOver(log.service).write({ items: [{ entry, value: Buffer.alloc(0) }] }, upTo(2));
  const [leaf] = await leavesOf(log);
  expect(leaf?.boxes).toHaveLength(4);
  const { known } = await openedOf(log, leaf as never);
  expect(known).toEqual({
    actor_id: "admin-1",
    ip: "41.82.0.17",
    user_agent: "Mozilla/5.0",
    impersonator_id: "boss-1",
    subject_user_id: "u-1",
    impersonated_user_id: "u-7",
    payload: { reason: "admin", session_id: "s-1" },
  });
  const text = JSON.stringify(leaf);
  for (const trace of ["admin-1", "41.82.0", "Mozilla", "boss-1", "u-1", "u-7", "s-1"]) {
    expect(text).not.toContain(trace);
  }
});
