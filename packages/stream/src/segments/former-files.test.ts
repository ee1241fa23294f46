import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "vitest";
import { LmdbStore } from "../lmdb/lmdb-store.ts";
import { SegmentStore } from "./segment-store.ts";

const WRITTEN = { clusterId: "cluster", changelogOffset: 3, inputOffsets: {}, writtenAtMs: 1 };
const isLmdbs = (name: string): boolean => name.endsWith(".mdb");

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vigie-store-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

for (const [how, isInOrder] of [
  ["in order", true],
  ["by a crash", false],
] as const) {
  test(`PRV-14: what LMDB kept in a folder, closed ${how}, is gone once a log lies there`, async () => {
    // Given a folder of the version before, with somebody's state
    const before = await LmdbStore.open(directory, { wakes: false });
    await before.write(new Map([["acme|u-1", Buffer.from("Dakar")]]), WRITTEN);
    if (isInOrder) await before.close();
    assert.ok((await readdir(directory)).some(isLmdbs));
    // When it is opened as a log
    const store = await SegmentStore.open(directory);
    // Then it begins anew, so it is restored from the changelog, and no file of before is left
    assert.equal(store.checkpoint(), null);
    assert.equal(store.get("acme|u-1"), undefined);
    assert.deepEqual((await readdir(directory)).filter(isLmdbs), []);
    await store.close();
    // Its file is gone, which it finds out when it has let go of the map.
    if (!isInOrder) await assert.rejects(before.close(), { code: "ENOENT" });
  });
}
