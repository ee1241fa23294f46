import assert from "node:assert/strict";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import { storeBehaviours } from "../state/store.suite.ts";
import {
  contentOf,
  type WriteFate,
  withStoreDir,
  withWriteFates,
  writeTexts,
} from "../testing/store-files.ts";
import { SegmentStore } from "./segment-store.ts";

const open = (directory: string, bootId = "boot-1", segmentBytes = 512) =>
  SegmentStore.open(directory, { bootId, segmentBytes });

for (const [name, behaviour] of Object.entries(storeBehaviours)) {
  for (const segmentBytes of [512, 8 * 1024 * 1024]) {
    test(`segment store: ${name}, in segments of ${segmentBytes} bytes`, () =>
      withStoreDir(async (directory) => {
        const store = await open(directory, "boot-1", segmentBytes);
        await behaviour(store);
        const content = [...store.entries()].sort();
        await store.close();
        const again = await open(directory, "boot-1", segmentBytes);
        assert.deepEqual([...again.entries()].sort(), content);
        await again.close();
      }));
  }
}

test("a store that was closed is whole after a restart of the machine", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory, "boot-1");
    await writeTexts(store, 7, { ada: "a1", bob: "b1" });
    await store.close();
    const again = await open(directory, "boot-2");
    assert.deepEqual(contentOf(again), { at: 7, texts: { ada: "a1", bob: "b1" } });
    await again.close();
  }));

test("a store that was not closed is kept within one run of the kernel, and thrown away in the next", () =>
  withStoreDir(async (directory) => {
    const left = await open(directory, "boot-1");
    await writeTexts(left, 7, { ada: "a1" });
    const sameRun = await open(directory, "boot-1");
    assert.deepEqual(contentOf(sameRun), { at: 7, texts: { ada: "a1" } });
    const nextRun = await open(directory, "boot-2");
    assert.deepEqual(contentOf(nextRun), { at: null, texts: {} });
    for (const store of [left, sameRun, nextRun]) await store.close();
  }));

test("a closed store writes no more, and is closed once", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory);
    await writeTexts(store, 7, { ada: "a1" });
    // Asked for before, done before.
    const written = writeTexts(store, 8, { ada: "a2" });
    await Promise.all([store.close(), written, store.close()]);
    await assert.rejects(writeTexts(store, 9, { ada: null }), { code: "VIG_STORE_LOST" });
    await assert.rejects(store.clear(), { code: "VIG_STORE_LOST" });
    const again = await open(directory, "boot-2");
    assert.deepEqual(contentOf(again), { at: 8, texts: { ada: "a2" } });
    await again.close();
  }));

describe("what was removed", () => {
  const DAYS = 86_400_000;
  const SECRET = "only-in-the-removed-state";
  const at = (directory: string, days: number) =>
    SegmentStore.open(directory, {
      bootId: "boot-1",
      clock: () => (1_000 + days) * DAYS,
    });
  const filesHave = async (directory: string, text: string): Promise<boolean> => {
    const files = (await readdir(directory)).map((name) => readFile(join(directory, name)));
    return (await Promise.all(files)).some((bytes) => bytes.includes(text));
  };

  test("PRV-14: is gone from the files, too, when the store is opened days later", () =>
    withStoreDir(async (directory) => {
      const store = await at(directory, 0);
      await writeTexts(store, 7, { ada: "a1", bob: SECRET });
      await writeTexts(store, 8, { bob: null });
      await store.close();
      assert.ok(await filesHave(directory, SECRET), "its segment still holds it");
      const soon = await at(directory, 2);
      assert.deepEqual(contentOf(soon), { at: 8, texts: { ada: "a1" } });
      await writeTexts(soon, 9, { ada: null });
      await soon.close();
      // The first removal counts, whatever was removed after it.
      const later = await at(directory, 3);
      assert.deepEqual(contentOf(later), { at: null, texts: {} });
      await later.close();
      assert.ok(!(await filesHave(directory, SECRET)));
    }));

  test("PRV-14: that there was a removal is known though the disk was full when it came", () =>
    withStoreDir(async (directory) => {
      const store = await at(directory, 0);
      await writeTexts(store, 7, { ada: "a1", bob: SECRET });
      const removal = () => writeTexts(store, 8, { bob: null });
      await withWriteFates(
        (call) => (call === "writeFile" ? "half" : "done"),
        () => assert.rejects(removal(), { code: "VIG_STORE_WRITE_FAILED" }),
      );
      await removal();
      await store.close();
      const later = await at(directory, 3);
      assert.equal(later.checkpoint(), null);
      await later.close();
      assert.ok(!(await filesHave(directory, SECRET)));
    }));

  test("a store from which nothing was removed stays, however old", () =>
    withStoreDir(async (directory) => {
      const store = await at(directory, 0);
      await writeTexts(store, 7, { ada: "a1" });
      await writeTexts(store, 8, { "was never there": null });
      await store.close();
      const later = await at(directory, 400);
      assert.deepEqual(contentOf(later), { at: 8, texts: { ada: "a1" } });
      await later.close();
    }));

  test("a store that somebody may have open is left alone", () =>
    withStoreDir(async (directory) => {
      const store = await at(directory, 0);
      await writeTexts(store, 7, { ada: "a1" });
      await writeTexts(store, 8, { ada: null });
      const other = await at(directory, 10);
      assert.equal(other.checkpoint()?.changelogOffset, 8);
      await store.close();
      await other.close();
    }));
});

describe("an earlier opener", () => {
  test("can write no more", () =>
    withStoreDir(async (directory) => {
      const earlier = await open(directory);
      await writeTexts(earlier, 7, { ada: "a1" });
      const later = await open(directory);
      await writeTexts(later, 8, {});
      await assert.rejects(writeTexts(earlier, 9, { ada: "a2" }), { code: "VIG_STORE_LOST" });
      await assert.rejects(earlier.clear(), { code: "VIG_STORE_LOST" });
      assert.deepEqual(contentOf(later), { at: 8, texts: { ada: "a1" } });
      await earlier.close();
      const markers = (await readdir(directory)).filter((name) => name.startsWith("open-"));
      assert.equal(markers.length, 1);
      await writeTexts(later, 9, { ada: "a3" });
      await later.close();
    }));

  test("whose folder was thrown away can write no more, and leaves nothing", () =>
    withStoreDir(async (directory) => {
      const earlier = await open(directory, "boot-1");
      await writeTexts(earlier, 7, { ada: "a1" });
      const later = await open(directory, "boot-2");
      await writeTexts(later, 3, { bob: "b1" });
      await assert.rejects(writeTexts(earlier, 8, { ada: null }), { code: "VIG_STORE_LOST" });
      await earlier.close();
      await later.close();
      const again = await open(directory, "boot-2");
      assert.deepEqual(contentOf(again), { at: 3, texts: { bob: "b1" } });
      await again.close();
      await rm(directory, { recursive: true });
      await assert.rejects(writeTexts(again, 9, {}), { code: "VIG_STORE_LOST" });
    }));
});

/** Writes over small segments: they rotate, sweep the oldest one and drop it. */
const writeOn = async (store: SegmentStore): Promise<void> => {
  for (let at = 10; at < 24; at++) {
    await writeTexts(store, at, { [`key-${at % 5}`]: "x".repeat(100), [`gone-${at}`]: "y" });
    await writeTexts(store, at, { [`gone-${at}`]: null });
  }
};

/** It stands still at its `stallAt`th call that writes, and goes on when there is a later one. */
async function stalls(directory: string, stallAt: number): Promise<boolean> {
  const earlier = await open(directory);
  await writeTexts(earlier, 1, { kept: "k1", "key-0": "old" });
  const [stalled, revived] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let calls = 0;
  let isOver = false;
  const fateOf = async (): Promise<WriteFate> => {
    if (!isOver) calls += 1;
    if (isOver || calls !== stallAt) return "done";
    stalled.resolve();
    await revived.promise;
    return "done";
  };
  return withWriteFates(fateOf, async () => {
    const ended = writeOn(earlier).then(
      () => "wrote all",
      (thrown) => (thrown as { code: string }).code,
    );
    await Promise.race([stalled.promise, ended]);
    isOver = true;
    const later = await open(directory);
    const taken = contentOf(later);
    assert.equal(taken.texts.kept, "k1");
    // It does not write: it would get rid of the oldest segment itself.
    revived.resolve();
    const how = await ended;
    assert.deepEqual(contentOf(later), taken);
    await later.close();
    await earlier.close();
    const again = await open(directory);
    assert.deepEqual(contentOf(again), taken, `stalled at ${stallAt}: ${how}`);
    await again.close();
    return how === "wrote all";
  });
}

/** Every so manyth place: all of them take some seconds. */
const SAMPLE = process.env.VIGIE_TEST_FULL === "1" ? 1 : 3;

test("what an earlier opener had begun changes nothing that the later one reads, then or at the next opening", async () => {
  let stallAt = 2;
  for (; ; stallAt += SAMPLE) {
    if (await withStoreDir((directory) => stalls(directory, stallAt))) break;
  }
  assert.ok(stallAt > 40, `it has ${stallAt} places to stall`);
});
