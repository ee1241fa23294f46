import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "vitest";
import { sealEnvelope } from "../state/envelope.ts";
import { storeBehaviours, wakeBehaviours } from "../state/store.suite.ts";
import type { Checkpoint } from "../state/store.ts";
import { LmdbStore } from "./lmdb-store.ts";

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vigie-store-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const open = (bootId = "boot-1") => LmdbStore.open(join(directory, "0"), { bootId });
const checkpoint = (changelogOffset: number): Checkpoint => ({
  clusterId: "cluster-1",
  changelogOffset,
  inputOffsets: {},
  writtenAtMs: 0,
});
const ada = new Map([["ada", sealEnvelope(Buffer.from("a1"), 1, 500)]]);

for (const [name, behaviour] of Object.entries({ ...storeBehaviours, ...wakeBehaviours })) {
  test(`lmdb store: ${name}`, async () => {
    const store = await open();
    await behaviour(store);
    await store.close();
  });
}

test("a store that was closed is whole after a restart of the machine", async () => {
  const store = await open("boot-1");
  await store.write(ada, checkpoint(7));
  await store.close();
  const again = await open("boot-2");
  assert.deepEqual(again.checkpoint(), checkpoint(7));
  assert.equal(again.due(500, 1).length, 1);
  await again.close();
});

test("a store that was not closed is kept within one run of the kernel, and thrown away in the next", async () => {
  const left = await open("boot-1");
  await left.write(ada, checkpoint(7));
  const sameRun = await open("boot-1");
  assert.deepEqual(sameRun.checkpoint(), checkpoint(7));
  const nextRun = await open("boot-2");
  assert.equal(nextRun.checkpoint(), null);
  assert.equal(nextRun.get("ada"), undefined);
  await nextRun.close();
});

describe("what was removed", () => {
  const DAYS = 86_400_000;
  const at = (days: number) =>
    LmdbStore.open(join(directory, "0"), {
      bootId: "boot-1",
      clock: () => 1_000 * DAYS + days * DAYS,
    });
  const SECRET = "only-in-the-removed-state";
  const bob = new Map([["bob", sealEnvelope(Buffer.from(SECRET), 1, null)]]);
  const rawHas = async (): Promise<boolean> =>
    (await readFile(join(directory, "0", "data.mdb"))).includes(SECRET);

  test("PRV-14: is gone from the file, too, when the store is opened days later", async () => {
    const store = await at(0);
    await store.write(new Map([...ada, ...bob]), checkpoint(7));
    await store.write(new Map([["bob", null]]), checkpoint(8));
    await store.close();
    assert.ok(await rawHas(), "a free page still holds it");
    const soon = await at(2);
    assert.deepEqual(soon.checkpoint(), checkpoint(8));
    await soon.write(new Map([["ada", null]]), checkpoint(9));
    await soon.close();
    // The first removal counts, whatever was removed after it.
    const later = await at(3);
    assert.equal(later.checkpoint(), null);
    assert.deepEqual([...later.entries()], []);
    await later.close();
    assert.ok(!(await rawHas()));
  });

  test("a store from which nothing was removed stays, however old", async () => {
    const store = await at(0);
    await store.write(ada, checkpoint(7));
    await store.close();
    const later = await at(400);
    assert.deepEqual(later.checkpoint(), checkpoint(7));
    await later.close();
  });

  test("a store that somebody may have open is left alone", async () => {
    const store = await at(0);
    await store.write(ada, checkpoint(7));
    await store.write(new Map([["ada", null]]), checkpoint(8));
    const other = await at(10);
    assert.deepEqual(other.checkpoint(), checkpoint(8));
    await store.close();
    await other.close();
  });
});

test("an earlier opener can write no more", async () => {
  const earlier = await open();
  await earlier.write(ada, checkpoint(7));
  const later = await open();
  await later.write(new Map(), checkpoint(8));
  await assert.rejects(earlier.write(ada, checkpoint(7)), { code: "VIG_STORE_LOST" });
  await assert.rejects(earlier.clear(), { code: "VIG_STORE_LOST" });
  assert.notEqual(later.get("ada"), undefined);
  assert.deepEqual(later.checkpoint(), checkpoint(8));
  await earlier.close();
  const markers = await readdir(join(directory, "0"));
  assert.equal(markers.filter((name) => name.startsWith("open-")).length, 1);
  await later.write(ada, checkpoint(9));
  await later.close();
});

/** What may lie in place of a store's file; the driver would end the process. */
const broken: Readonly<Record<string, (file: string) => Promise<void>>> = {
  "no more than its first byte": (file) => truncate(file, 1),
  "no more than its first page": (file) => truncate(file, 4_096),
  "no more than a part of its second page": (file) => truncate(file, 4_200),
  text: (file) => writeFile(file, "text".repeat(5_000)),
  zeros: (file) => writeFile(file, Buffer.alloc(20_000)),
  "zeros for the second page": async (file) =>
    writeFile(file, (await readFile(file)).fill(0, 4_096, 8_192)),
};
for (const [what, breaks] of Object.entries(broken)) {
  test(`a store in whose place lies ${what} is begun anew`, async () => {
    const store = await open();
    await store.write(ada, checkpoint(7));
    await store.close();
    await breaks(join(directory, "0", "data.mdb"));
    const again = await open();
    assert.equal(again.checkpoint(), null);
    await again.write(ada, checkpoint(8));
    await again.close();
  });
}

test("an empty file is a store that is not written to yet", async () => {
  const store = await open();
  await store.close();
  await writeFile(join(directory, "0", "data.mdb"), "");
  const again = await open();
  assert.equal(again.checkpoint(), null);
  await again.close();
});
