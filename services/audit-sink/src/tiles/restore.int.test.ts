import { decodeEntries, encodeEntries, entriesPath } from "@vigie/audit-log/tiles";
import { readNodes } from "@vigie/service-kit/audit/nodes";
import { type MemoryObjects, memoryObjects } from "@vigie/service-kit/objects/memory";
import { beforeEach, expect, test } from "vitest";
import { signCheckpoint } from "#checkpoint/keys";
import { logKeys } from "#checkpoint/testing";
import { databaseTree } from "#checkpoint/tree";
import type { Erasure } from "#items";
import { createSigners } from "#signer";
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
  upTo,
} from "#test-store";
import { auditEvent, SECRET, signers, T0 } from "#testing";
import { type RestoreParts, restoreLeaves } from "./restore.ts";
import { databaseTiles, writeTiles } from "./tile-files.ts";

const log = testLog();
const keys = logKeys();
const TABLES = [
  "audit_leaves",
  "audit_tiles",
  "audit_large_payloads",
  "audit_subjects",
  "audit_emitters",
  "audit_erased",
  "audit_head",
  "sink_offsets",
];

const backUp = () =>
  asOwner(
    log,
    TABLES.map(
      (table) => `drop table if exists copy_${table};
      create table copy_${table} as select * from ${table}`,
    ).join(";"),
  );
const restoreBackup = () =>
  asOwner(
    log,
    TABLES.map(
      (table) => `delete from ${table};
      insert into ${table} select * from copy_${table}`,
    ).join(";"),
  );

let tiles: MemoryObjects;
beforeEach(() => {
  tiles = memoryObjects();
});

/** The log as it is, signed, in tiles. */
async function publish(): Promise<void> {
  const nodes = readNodes(log.service);
  const checkpoint = signCheckpoint(keys, await databaseTree(log.service, nodes).head());
  await writeTiles(
    { source: databaseTiles(log.service, nodes), store: tiles, keys },
    checkpoint,
    [],
  );
}

const write = (from: number, to: number) =>
  storeOver(log.service).write({ items: itemsOf(from, to - from) }, upTo(to));
const restore = (over: Partial<RestoreParts> = {}) =>
  restoreLeaves(log.service, {
    store: tiles,
    keys,
    signer: signers.current,
    clock: () => T0,
    ...over,
  });

async function rows(): Promise<unknown> {
  const { rows: all } = await log.owner.query("select * from audit_leaves order by index");
  return all;
}

test.each([
  [0, 1],
  [0, 600],
  [1, 256],
  [255, 257],
  [256, 512],
  [300, 301],
  [511, 700],
])("AUD-01: a database of %i leaves gets back those that it had up to %i", async (before, all) => {
  if (before > 0) await write(1, before + 1);
  await backUp();
  await write(before + 1, all + 1);
  await publish();
  const [whole, root] = [await rows(), await expectSound(log)];
  await restoreBackup();
  expect((await restore()).added).toBe(BigInt(all - before));
  expect(await rows()).toEqual(whole);
  expect(await expectSound(log)).toBe(root);
  // What comes again from where the old offsets are is known; what is new goes on, in an unbroken series.
  const again = await write(before + 1, all + 3);
  expect(again).toMatchObject({ appended: 2, repeated: all - before, conflicts: [], gaps: [] });
  await expectSound(log);
  const { rows: series } = await log.owner.query("select next_seq, pending from audit_emitters");
  expect(series).toEqual([{ next_seq: all + 3, pending: [] }]);
});

test("AUD-02: what was restored under a newer secret is known again when it comes once more", async () => {
  await backUp();
  await write(1, 4);
  await publish();
  await restoreBackup();
  const rotated = createSigners("another secret, which is long enough", [SECRET]);
  await restore({ signer: rotated.current });
  const store = storeOver(log.service, { signers: rotated });
  const forged = itemOf(auditEvent(2, { action: "forged" }), 4);
  const again = await store.write({ items: [...itemsOf(1, 3), forged] }, upTo(5));
  expect(again).toMatchObject({ appended: 0, repeated: 3, conflicts: [{ eventId: "e-2" }] });
});

test("a database that lacks nothing, or has grown on, is left as it is", async () => {
  await write(1, 11);
  await publish();
  expect((await restore()).added).toBe(0n);
  await write(11, 13);
  expect((await restore()).added).toBe(0n);
  expect(await idsInOrder(log)).toHaveLength(12);
});

test("CNF-20: a key that was destroyed since the backup is destroyed again", async () => {
  await write(1, 3);
  await backUp();
  const erasure: Erasure = {
    request: {
      erasure_id: "er-1",
      tenant_id: "molam-sn",
      user_id: "u-1",
      requested_at: T0 + 100,
      actor: { type: "USER", id: "u-1", impersonator_id: null },
    },
    origin: { topic: "id.subject.erasure", partition: 0, offset: 0, timestampMs: T0 + 110 },
  };
  const next = [...upTo(3), { topic: "id.subject.erasure", partition: 0, from: 0, offset: 1 }];
  await storeOver(log.service).write({ items: [], erasures: [erasure] }, next);
  await publish();
  await restoreBackup();
  const [first] = await leavesOf(log);
  const known = async () => (await openedOf(log, first as never)).known.subject_user_id;
  expect(await known()).toBe("u-1");
  await restore();
  expect(await known()).toBeUndefined();
  await expectSound(log);
});

test("what others say of destroyed keys destroys none, and stands in the way of no restore", async () => {
  await write(1, 3);
  await backUp();
  const [first] = await leavesOf(log);
  const forged = [first?.subject, "no ref"].map((ref, i) => {
    const said = { action: "subject.key_destroyed", payload: JSON.stringify({ ref }) };
    return itemOf(
      auditEvent(3 + i, { ...said, emitter: "audit-sink", subject_user_id: null }),
      3 + i,
    );
  });
  const sealed = itemOf(auditEvent(5, { action: "subject.key_destroyed" }), 5);
  await storeOver(log.service).write({ items: [...forged, sealed] }, upTo(6));
  await publish();
  await restoreBackup();
  expect((await restore()).added).toBe(3n);
  const { known } = await openedOf(log, first as never);
  expect(known.subject_user_id).toBe("u-1");
});

/** 300 leaves in tiles, of which the database has four. */
async function lost(): Promise<void> {
  await write(1, 5);
  await backUp();
  await write(5, 301);
  await publish();
  await restoreBackup();
}

const faults: Readonly<Record<string, (bundle: readonly Buffer[]) => Promise<void>>> = {
  "a changed leaf": async (bundle) => {
    const forged = Buffer.from(String(bundle[9]).replace("session.revoked", "session.renamed"));
    await tiles.put(entriesPath(0n), encodeEntries(bundle.toSpliced(9, 1, forged)));
  },
  "a missing leaf": async (bundle) =>
    tiles.put(entriesPath(0n), encodeEntries(bundle.slice(0, -1))),
  "two swapped leaves": async (bundle) => {
    const swapped = [...bundle.slice(0, -2), ...bundle.slice(-2).reverse()];
    await tiles.put(entriesPath(0n), encodeEntries(swapped));
  },
  "a missing bundle": async () => tiles.remove([entriesPath(1n, 44)]),
  "bytes that are none": async () => tiles.put(entriesPath(0n), Buffer.from("nonsense, too short")),
  "no checkpoint": async () => tiles.remove(["checkpoint"]),
  "a database that has another leaf": async () => {
    await storeOver(log.service).write({ items: itemsOf(900, 1) }, upTo(901));
  },
};

test.each(Object.keys(faults))("%s: nothing is restored, nothing has changed", async (fault) => {
  await lost();
  const bundle = decodeEntries((await tiles.get(entriesPath(0n))) as Buffer);
  await faults[fault]?.(bundle);
  const before = await rows();
  await expect(restore()).rejects.toThrow("VIG_AUDIT_TILES_UNFIT");
  expect(await rows()).toEqual(before);
  await expectSound(log);
});

test("tiles of another log are refused", async () => {
  await lost();
  const strange = logKeys("another.example");
  await expect(restore({ keys: strange })).rejects.toThrow("VIG_AUDIT_TILES_UNFIT");
  expect(await idsInOrder(log)).toHaveLength(4);
});
