import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { type FileHandle, open as openFile, readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { test } from "vitest";
import { withStoreDir, writeTexts } from "../testing/store-files.ts";
import { SegmentStore } from "./segment-store.ts";

const open = (directory: string) =>
  SegmentStore.open(directory, { bootId: "boot-1", segmentBytes: 512 });

/** Calls `seen` with the folder of each file that is read meanwhile; what it throws is what the read throws. */
async function withReads(seen: (folder: string) => void, work: () => Promise<void>) {
  const probe = await openFile(process.execPath, "r");
  const files = Object.getPrototypeOf(probe) as { read: (...args: unknown[]) => Promise<unknown> };
  await probe.close();
  const { read } = files;
  files.read = async function (this: FileHandle, ...args) {
    seen(basename(dirname(readlinkSync(`/proc/self/fd/${this.fd}`))));
    return read.apply(this, args);
  };
  try {
    await work();
  } finally {
    files.read = read;
  }
}

async function fill(directory: string): Promise<number> {
  const store = await open(directory);
  for (let at = 0; at < 12; at++) await writeTexts(store, at, { [`key-${at}`]: "x".repeat(200) });
  await store.close();
  return (await readdir(directory)).filter((name) => name.endsWith(".seg")).length;
}

test("of two stores that are opened at once the second is read when the first one is loaded", () =>
  withStoreDir(async (directory) => {
    const places = ["a", "b"].map((name) => join(directory, name));
    const [segments = 0] = await Promise.all(places.map(fill));
    assert.ok(segments > 3, `${segments} segments`);
    const order: string[] = [];
    await withReads(
      (folder) => order.push(folder),
      async () => {
        const stores = await Promise.all(places.map(open));
        await Promise.all(stores.map((store) => store.close()));
      },
    );
    const firstOfOther = order.findIndex((folder) => folder !== order[0]);
    // Head and whole of each segment.
    assert.ok(firstOfOther >= 2 * segments, `${order}`);
  }));

test("a store that cannot be loaded for lack of memory keeps no other one waiting", () =>
  withStoreDir(async (directory) => {
    const places = ["a", "b"].map((name) => join(directory, name));
    await Promise.all(places.map(fill));
    await withReads(
      (folder) => {
        if (folder === "a") throw Object.assign(new Error("planted"), { code: "ENOMEM" });
      },
      async () => {
        const [a, b] = await Promise.allSettled(places.map(open));
        assert.equal(a?.status, "rejected");
        assert.ok(b?.status === "fulfilled");
        assert.equal(b.value.checkpoint()?.changelogOffset, 11);
        await b.value.close();
      },
    );
  }));
