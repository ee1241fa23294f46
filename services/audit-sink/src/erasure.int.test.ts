import type { Leaf } from "@vigie/audit-log/leaf";
import type { SubjectErasure } from "@vigie/schemas/types";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { expect, test } from "vitest";
import type { Erasure } from "./items.ts";
import {
  expectSound,
  itemOf,
  itemsOf,
  leavesOf,
  openedOf,
  storeOver,
  testLog,
  topic,
  upTo,
} from "./test-store.ts";
import { auditEvent, T0 } from "./testing.ts";

const log = testLog();

const ERASURES = "id.subject.erasure";

function erasureAt(offset: number, over: Partial<SubjectErasure> = {}): Erasure {
  return {
    request: {
      erasure_id: `er-${offset}`,
      tenant_id: "molam-sn",
      user_id: "u-1",
      requested_at: T0 + 100,
      actor: { type: "USER", id: "u-1", impersonator_id: null },
      ...over,
    },
    origin: { topic: ERASURES, partition: 0, offset, timestampMs: T0 + 110 },
  };
}

const next = (audit: number, erasures: number) => [
  ...upTo(audit),
  { topic: ERASURES, partition: 0, from: 0, offset: erasures },
];

/** The event of number n happened at T0 + n. */
const of = (user: string, number: number) =>
  itemOf(auditEvent(number, { subject_user_id: user, emitter_seq: 1 }), number);

async function knownOf(leaf: Leaf | undefined): Promise<unknown> {
  return (await openedOf(log, leaf as Leaf)).known.subject_user_id;
}
const find = (leaves: readonly Leaf[], id: string) => leaves.find((leaf) => leaf.id === id);
const destroyed = (leaves: readonly Leaf[]) =>
  leaves.flatMap(({ action, payload }) =>
    action === "subject.key_destroyed" ? [(payload as { ref: string }).ref] : [],
  );

test("CNF-20, PRV-14: an erasure destroys link and key, is a leaf itself, and the tree stays whole", async () => {
  const store = storeOver(log.service);
  await store.write({ items: [of("u-1", 1), of("u-2", 2)] }, upTo(3));
  const before = find(await leavesOf(log), "e-1");
  expect(await knownOf(before)).toBe("u-1");
  const written = await store.write({ items: [], erasures: [erasureAt(0)] }, next(3, 1));
  expect(written).toMatchObject({ appended: 1, size: 3 });
  const leaves = await leavesOf(log);
  expect(find(leaves, "e-1")).toEqual(before);
  expect(await knownOf(find(leaves, "e-1"))).toBeUndefined();
  expect(await knownOf(find(leaves, "e-2"))).toBe("u-2");
  expect(leaves[2]).toMatchObject({
    action: "subject.key_destroyed",
    tenant: "molam-sn",
    emitter: "audit-sink",
    recorded_at: T0 + 110,
    source: { topic: ERASURES, partition: 0, offset: 0 },
    payload: { ref: before?.subject },
    boxes: [],
  });
  await expectSound(log);
  const ids = [tenantUuid("molam-sn"), uuidOf("molam-sn", "user", "u-1")];
  const { rows } = await log.owner.query(
    "select 1 from audit_subjects where tenant_id = $1 and user_id = $2 or ref = $3",
    [...ids, before?.subject],
  );
  expect(rows).toEqual([]);
  const { rows: parts } = await log.owner.query("select erasure_id, part from erasure_parts");
  expect(parts).toEqual([{ erasure_id: "er-0", part: "audit-sink" }]);
});

test("nobody can keep the leaf of a destroyed key out by an event under its id", async () => {
  const store = storeOver(log.service);
  await store.write({ items: [of("u-1", 1)] }, upTo(2));
  const ref = find(await leavesOf(log), "e-1")?.subject as string;
  const name = nameUuid("molam-sn", "event", `destroyed|${ref}`);
  const claims = [name, `audit-sink:${name}`].map((event_id, i) =>
    itemOf(auditEvent(2 + i, { event_id, subject_user_id: "u-2" }), 2 + i),
  );
  await store.write({ items: claims }, upTo(4));
  const written = await store.write({ items: [], erasures: [erasureAt(0)] }, next(4, 1));
  expect(written).toMatchObject({ appended: 1, conflicts: [] });
  expect(destroyed(await leavesOf(log))).toEqual([ref]);
});

test("in the middle of a batch: what happened before is for nobody, what happened after begins anew", async () => {
  const store = storeOver(log.service);
  await store.write({ items: [of("u-1", 1)] }, upTo(2));
  const items = [of("u-1", 90), of("u-1", 100), of("u-1", 101), of("u-2", 95)];
  await store.write({ items, erasures: [erasureAt(0)] }, next(102, 1));
  const leaves = await leavesOf(log);
  const refs = ["e-1", "e-90", "e-100", "e-101"].map((id) => find(leaves, id)?.subject);
  expect(new Set(refs).size).toBe(3);
  expect(refs[1]).toBe(refs[2]);
  expect(
    await Promise.all(["e-1", "e-90", "e-101", "e-95"].map((id) => knownOf(find(leaves, id)))),
  ).toEqual([undefined, undefined, "u-1", "u-2"]);
  // Every ref whose boxes do not open has its leaf.
  expect(destroyed(leaves).toSorted()).toEqual([refs[0], refs[1]].toSorted());
  await expectSound(log);
});

test("what comes late is sealed for nobody, by whatever store, and cannot be linked to what was erased", async () => {
  await storeOver(log.service).write({ items: [of("u-1", 1)] }, upTo(2));
  await storeOver(log.service).write({ items: [], erasures: [erasureAt(0)] }, next(2, 1));
  const store = storeOver(log.service);
  await store.write({ items: [of("u-1", 3)] }, upTo(4));
  await store.write({ items: [of("u-1", 5)] }, upTo(6));
  const leaves = await leavesOf(log);
  const refs = ["e-1", "e-3", "e-5"].map((id) => find(leaves, id)?.subject as string);
  expect(new Set(refs).size).toBe(3);
  expect(destroyed(leaves).toSorted()).toEqual(refs.toSorted());
  expect(await knownOf(find(leaves, "e-5"))).toBeUndefined();
  // As an actor as well.
  const actor = { ...auditEvent(1).actor, id: "u-1" };
  await store.write({ items: [itemOf(auditEvent(7, { actor }), 7)] }, upTo(8));
  const { known } = await openedOf(log, find(await leavesOf(log), "e-7") as Leaf);
  expect(known).toEqual({});
});

test("what comes late in another spelling of the same UUIDs is sealed for nobody as well", async () => {
  const [tenant_id, user] = [
    "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "AC3F9E5A-8b86-4d01-b42d-00cf4fc964ff",
  ];
  const late = (offset: number, ids: { tenant_id: string; subject_user_id: string }) =>
    itemOf(auditEvent(offset, { ...ids, emitter_seq: 1 }), offset);
  const store = storeOver(log.service);
  const erasure = erasureAt(0, { tenant_id, user_id: user });
  await store.write({ items: [], erasures: [erasure] }, next(1, 1));
  const items = [
    late(1, { tenant_id, subject_user_id: user }),
    late(2, { tenant_id, subject_user_id: user.toLowerCase() }),
    late(3, { tenant_id: tenant_id.toUpperCase(), subject_user_id: user }),
    late(101, { tenant_id, subject_user_id: user.toLowerCase() }),
  ];
  await store.write({ items }, next(102, 1));
  const leaves = await leavesOf(log);
  const ids = ["e-1", "e-2", "e-3", "e-101"];
  expect(await Promise.all(ids.map((id) => knownOf(find(leaves, id))))).toEqual([
    undefined,
    undefined,
    undefined,
    user.toLowerCase(),
  ]);
  await expectSound(log);
});

test("an erasure that comes again does not erase the new beginning; a later one does", async () => {
  const store = storeOver(log.service);
  await store.write({ items: [of("u-1", 1)], erasures: [erasureAt(0)] }, next(2, 1));
  await store.write({ items: [of("u-1", 105)] }, upTo(106));
  await store.write({ items: [], erasures: [erasureAt(1)] }, next(106, 2));
  expect(await knownOf(find(await leavesOf(log), "e-105"))).toBe("u-1");
  const later = erasureAt(2, { requested_at: T0 + 109 });
  await store.write({ items: [], erasures: [later] }, next(106, 3));
  expect(await knownOf(find(await leavesOf(log), "e-105"))).toBeUndefined();
  const { rows } = await log.owner.query("select 1 from erasure_parts");
  expect(rows).toHaveLength(3);
});

test("a request from the future reaches no further than its record, or a person's deeds could be hidden", async () => {
  const ahead = erasureAt(0, { requested_at: T0 + 9_999_999 });
  const store = storeOver(log.service);
  await store.write({ items: [], erasures: [ahead] }, next(1, 1));
  await store.write({ items: [of("u-1", 111)] }, upTo(112));
  expect(await knownOf(find(await leavesOf(log), "e-111"))).toBe("u-1");
});

test("an erasure by one member is known to the other, which held the key", async () => {
  const [one, other] = [storeOver(log.service), storeOver(log.service)];
  await other.write({ items: [of("u-1", 1)] }, upTo(2));
  await one.write({ items: [], erasures: [erasureAt(0)] }, next(2, 1));
  const at = (number: number) => {
    const item = of("u-1", number);
    return { ...item, entry: { ...item.entry, origin: { ...item.entry.origin, partition: 1 } } };
  };
  await other.write({ items: [at(120)] }, [{ topic, partition: 1, from: 0, offset: 121 }]);
  const leaves = await leavesOf(log);
  expect(find(leaves, "e-120")?.subject).not.toBe(find(leaves, "e-1")?.subject);
  expect(await knownOf(find(leaves, "e-120"))).toBe("u-1");
});

test("a value that was kept aside opens no more once one of those whom it names is erased", async () => {
  const store = storeOver(log.service);
  await store.write({ items: itemsOf(1, 1) }, upTo(2));
  await store.write({ items: [itemOf(auditEvent(1, { action: "forged" }), 2)] }, upTo(3));
  await store.write({ items: [], erasures: [erasureAt(0)] }, next(3, 1));
  const { rows } = await log.owner.query(
    `select held.ref from (select unnest(refs) as ref from audit_conflicts) named
       join audit_subjects held using (ref)`,
  );
  expect(rows).toHaveLength(1);
});
