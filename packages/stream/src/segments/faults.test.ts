import assert from "node:assert/strict";
import { open as openFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "vitest";
import { KEY_BYTES_MAX } from "../state/store.ts";
import {
  contentOf,
  openFilesIn,
  type WriteFate,
  withStoreDir,
  withWriteFates,
  writeTexts,
} from "../testing/store-files.ts";
import { type Manifest, manifestIn } from "./manifest.ts";
import { SegmentStore } from "./segment-store.ts";

const open = (directory: string, segmentBytes = 512) =>
  SegmentStore.open(directory, { bootId: "boot-1", segmentBytes });

const FAILED = { code: "VIG_STORE_WRITE_FAILED" };
const ROUNDS = 16;
/** Each write of a run that rotates, sweeps and drops segments, forgets keys, and clears the store once. */
const steps = Array.from(
  { length: ROUNDS },
  (_, at) => (store: SegmentStore) =>
    at === 12
      ? store.clear()
      : writeTexts(store, at, {
          [`key-${at % 4}`]: `${at} `.repeat(20),
          [`gone-${at}`]: "y",
          [`gone-${at - 1}`]: null,
        }),
);

/** The `failAt`th call that writes fails half way, once or for a while; each step is tried again until it is done. */
async function withFaults(directory: string, failAt: number, failures: number): Promise<boolean> {
  const clean = await open(join(directory, "clean"));
  const store = await open(join(directory, "0"));
  let calls = 0;
  const fateOf = (): WriteFate => {
    calls += 1;
    return calls >= failAt && calls < failAt + failures ? "half" : "done";
  };
  for (const step of steps) {
    await step(clean);
    const before = contentOf(store);
    let tries = 0;
    await withWriteFates(fateOf, async () => {
      for (; ; tries++) {
        try {
          await step(store);
          return;
        } catch (thrown) {
          assert.equal((thrown as { code: string }).code, FAILED.code);
          // As before it, or all of it: what came behind the frame has failed.
          const now = JSON.stringify(contentOf(store));
          const possible = [before, contentOf(clean)].map((content) => JSON.stringify(content));
          assert.ok(possible.includes(now), `call ${failAt}: ${now}`);
        }
      }
    });
    assert.deepEqual(contentOf(store), contentOf(clean), `after ${tries} failures at ${failAt}`);
  }
  await store.close();
  await clean.close();
  const again = await open(join(directory, "0"));
  assert.deepEqual(contentOf(again), contentOf(clean));
  const { segments } = (await manifestIn(join(directory, "0"))) as Manifest;
  const kept = (await readdir(join(directory, "0"))).filter((name) => name.endsWith(".seg"));
  assert.equal(kept.length, segments.length, "no file that nobody lists");
  assert.equal(openFilesIn(join(directory, "0")).length, segments.length);
  await again.close();
  return calls < failAt;
}

/** Every so manyth call: all of them take some seconds. */
const SAMPLE = process.env.VIGIE_TEST_FULL === "1" ? 1 : 5;

for (const failures of [1, 3]) {
  test(`whatever call fails half way, ${failures} in a row: nothing is lost, and the store goes on`, async () => {
    let failAt = 1;
    while (!(await withStoreDir((directory) => withFaults(directory, failAt, failures)))) {
      failAt += SAMPLE;
    }
    assert.ok(failAt > 30, `it has ${failAt} calls`);
  });
}

test("a store that cannot be opened on a full disk leaves no file open, and nothing is lost", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory);
    for (const step of steps) await step(store);
    const held = contentOf(store);
    await store.close();
    for (let failAt = 1; ; failAt++) {
      let calls = 0;
      const fateOf = (): WriteFate => {
        calls += 1;
        return calls === failAt ? "half" : "done";
      };
      const opened = await withWriteFates(fateOf, () => open(directory).catch(() => null));
      if (opened !== null) {
        assert.ok(failAt > 3, `it has ${failAt} calls`);
        assert.deepEqual(contentOf(opened), held);
        await opened.close();
        break;
      }
      assert.deepEqual(openFilesIn(directory), []);
    }
    assert.deepEqual(openFilesIn(directory), []);
  }));

test("a store that is opened while memory is short is not begun anew", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory);
    for (const step of steps) await step(store);
    const held = contentOf(store);
    await store.close();
    const probe = await openFile(process.execPath, "r");
    const files = Object.getPrototypeOf(probe) as { read: () => Promise<unknown> };
    await probe.close();
    const { read } = files;
    files.read = () => Promise.reject(Object.assign(new Error("planted"), { code: "ENOMEM" }));
    try {
      await assert.rejects(open(directory), { code: "ENOMEM" });
    } finally {
      files.read = read;
    }
    assert.deepEqual(openFilesIn(directory), []);
    const again = await open(directory);
    assert.deepEqual(contentOf(again), held);
    await again.close();
  }));

test("a write that is asked for while another one goes on comes after it", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory);
    const writes = Array.from({ length: 20 }, (_, at) =>
      writeTexts(store, at, { [`key-${at % 7}`]: "x".repeat(at * 10) }),
    );
    await Promise.all(writes);
    const { at, texts } = contentOf(store);
    assert.equal(at, 19);
    assert.equal(texts["key-5"], "x".repeat(190));
    await store.close();
  }));

test("a store that is opened again and again has no more files for it", () =>
  withStoreDir(async (directory) => {
    for (let life = 0; life < 12; life++) {
      const store = await open(directory, 8_192);
      await writeTexts(store, life, { [`key-${life}`]: "x".repeat(100) });
      await store.close();
    }
    const names = (await readdir(directory)).map((name) => name.replace(/\d+/g, "n"));
    assert.deepEqual(names.sort(), ["manifest-n", "n-n.seg"]);
  }));

test("what nobody lists is gone after an opening, what is not the store's stays", () =>
  withStoreDir(async (directory) => {
    await (await open(directory)).close();
    const strays = ["1-7.seg", "manifest-1.draft", "manifest-1", "1-2b0c-4d.draft"];
    // Of an owner before the folder was emptied, but for this.
    strays.push(`${2 ** 41}-7.seg`);
    for (const name of [...strays, "notes.txt"]) await writeFile(join(directory, name), "");
    await (await open(directory)).close();
    const names = await readdir(directory);
    assert.deepEqual(
      strays.filter((name) => names.includes(name)),
      [],
    );
    assert.ok(names.includes("notes.txt"));
  }));

test("values of 5 MB, a batch of 20 MB, the longest keys and empty values are kept", () =>
  withStoreDir(async (directory) => {
    const store = await open(directory, 64 * 1024);
    const long = Buffer.alloc(5_000_000, "long");
    const batch = new Map(
      Array.from({ length: 10 }, (_, at) => [`key-${at}`, Buffer.alloc(2_000_000, `${at}`)]),
    );
    const wide = "я".repeat(KEY_BYTES_MAX / 2);
    const at = { clusterId: "c", changelogOffset: 1, inputOffsets: {}, writtenAtMs: 0 };
    await store.write(new Map([["long", long]]), at);
    await store.write(batch, at);
    await store.write(new Map([[wide, Buffer.alloc(0)]]), at);
    const check = (some: SegmentStore): void => {
      assert.ok(long.equals(some.get("long") ?? Buffer.alloc(0)));
      for (const [key, value] of batch) assert.ok(value.equals(some.get(key) ?? Buffer.alloc(0)));
      assert.equal(some.get(wide)?.length, 0);
    };
    check(store);
    // Much of it is replaced, so that the long segments are swept, in parts.
    for (let turn = 0; turn < 30; turn++) {
      await store.write(new Map([[`key-${turn % 9}`, Buffer.alloc(40_000, "z")]]), at);
    }
    for (let key = 0; key < 9; key++) batch.set(`key-${key}`, Buffer.alloc(40_000, "z"));
    check(store);
    await store.close();
    const again = await open(directory, 64 * 1024);
    check(again);
    await again.close();
  }));
