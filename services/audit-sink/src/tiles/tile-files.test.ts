import { rootAt } from "@vigie/audit-log/proofs";
import { decodeEntries, entriesPath, nodesFromTiles, tilePath } from "@vigie/audit-log/tiles";
import { leafHash } from "@vigie/audit-log/tree";
import { memoryObjects } from "@vigie/service-kit/objects/memory";
import type { ObjectStore } from "@vigie/service-kit/objects/store";
import { expect, test } from "vitest";
import { openSigned, type SignedCheckpoint, signCheckpoint } from "#checkpoint/keys";
import { logKeys, MemoryTree } from "#checkpoint/testing";
import { CHECKPOINT_FILE, type TilesSource, writeTiles } from "./tile-files.ts";

const keys = logKeys();

/** A log with its data. */
class Log {
  readonly data: Buffer[] = [];
  readonly tree = new MemoryTree();

  grow(to: number, name = "leaf"): this {
    for (let i = this.data.length; i < to; i += 1) {
      this.data.push(Buffer.from(`${name} ${i}`));
      this.tree.append(`${name} ${i}`);
    }
    return this;
  }

  source(): TilesSource {
    return {
      nodes: this.tree.nodes,
      leaves: async (from, to) => this.data.slice(Number(from), Number(to)),
    };
  }

  async signed(): Promise<SignedCheckpoint> {
    return signCheckpoint(keys, await this.tree.head());
  }

  async write(store: ObjectStore, lines: readonly string[] = []): Promise<void> {
    await writeTiles({ source: this.source(), store, keys }, await this.signed(), lines);
  }
}

/** Reads the log out of its files alone, as an auditor does, and compares it with the checkpoint. */
async function expectWhole(store: ObjectStore, log: Log): Promise<void> {
  const { size, root } = openSigned(String(await store.get(CHECKPOINT_FILE)), keys);
  expect(Number(size)).toBe(log.data.length);
  const get = async (path: string): Promise<Buffer> => {
    const found = await store.get(path);
    expect(found, path).not.toBeNull();
    return found as Buffer;
  };
  const read = nodesFromTiles(size, (tiles) =>
    Promise.all(tiles.map(({ level, index, width }) => get(tilePath(level, index, width)))),
  );
  expect(await rootAt(size, read)).toEqual(root);
  for (let at = 0; at < log.data.length; at += 256) {
    const width = Math.min(256, log.data.length - at);
    const entries = decodeEntries(await get(entriesPath(BigInt(at / 256), width)));
    expect(entries).toEqual(log.data.slice(at, at + width));
    const tile = await get(tilePath(0, BigInt(at / 256), width));
    expect(tile).toEqual(Buffer.concat(entries.map(leafHash)));
  }
}

test("a log written as it grows can be read from its files alone, at every size", async () => {
  const store = memoryObjects();
  const log = new Log();
  for (const size of [0, 1, 2, 255, 256, 257, 300, 511, 512, 700, 1_100]) {
    await log.grow(size).write(store);
    if (size > 0) await expectWhole(store, log);
  }
});

test("tiles above the first level are there: 256 full tiles are one", async () => {
  const store = memoryObjects();
  const log = new Log().grow(256);
  const hashes = Array.from({ length: 256 * 3 + 2 }, () => leafHash(Buffer.from("x")));
  log.tree.leaves = hashes;
  const source = { ...log.source(), leaves: async () => [] };
  const checkpoint = signCheckpoint(keys, await log.tree.head());
  await writeTiles({ source, store, keys }, checkpoint, []);
  expect((await store.get("tile/1/000.p/3"))?.length).toBe(96);
  expect(await store.get("tile/0/003.p/2")).not.toBeNull();
});

test("written bit by bit, partial files go once their tile is full", async () => {
  const [atOnce, bitByBit] = [memoryObjects(), memoryObjects()];
  const log = new Log();
  for (const size of [3, 100, 255, 256, 512]) await log.grow(size).write(bitByBit);
  await log.write(atOnce);
  const more = [...bitByBit.files.keys()].filter((path) => !atOnce.files.has(path));
  // The tile of the second level is not full yet.
  expect(more).toEqual(["tile/1/000.p/1"]);
  for (const [path, bytes] of atOnce.files) expect(bitByBit.files.get(path), path).toEqual(bytes);
});

test("the checkpoint comes last: interrupted anywhere, what it covers is there, and the next goes on", async () => {
  const log = new Log().grow(300);
  const base = memoryObjects();
  await log.write(base);
  const before = await log.signed();
  log.grow(600);
  for (let allowed = 0; allowed < 6; allowed += 1) {
    const store = memoryObjects();
    for (const [path, bytes] of base.files) await store.put(path, bytes);
    let puts = 0;
    const failing: ObjectStore = {
      ...store,
      put: async (path, bytes) => {
        puts += 1;
        if (puts > allowed) throw new Error("away");
        await store.put(path, bytes);
      },
    };
    await expect(log.write(failing)).rejects.toThrow("away");
    const { size } = openSigned(String(await store.get(CHECKPOINT_FILE)), keys);
    expect(size).toBe(before.size);
    await log.write(store);
    await expectWhole(store, log);
  }
});

test("what witnesses added stands below the note; added later, nothing else is written again", async () => {
  const store = memoryObjects();
  const log = new Log().grow(5);
  await log.write(store);
  const written: string[] = [];
  const noting: ObjectStore = {
    ...store,
    put: (path, bytes) => {
      written.push(path);
      return store.put(path, bytes);
    },
  };
  await log.write(noting, ["— w.example c2ln\n"]);
  expect(written).toEqual([CHECKPOINT_FILE]);
  expect(String(await store.get(CHECKPOINT_FILE))).toMatch(/\n— w\.example c2ln\n$/);
});

test("an older checkpoint never takes the place of a newer one", async () => {
  const store = memoryObjects();
  const log = new Log().grow(5);
  const old = await log.signed();
  await log.grow(9).write(store);
  await writeTiles({ source: log.source(), store, keys }, old, []);
  await expectWhole(store, log);
});

test("a store of another log, or of another tree, is left alone", async () => {
  const store = memoryObjects();
  await new Log().grow(5).write(store);
  const files = new Map(store.files);
  const unfit = { code: "VIG_AUDIT_TILES_UNFIT" };
  await expect(new Log().grow(9, "other").write(store)).rejects.toMatchObject(unfit);
  const log = new Log().grow(9);
  const strange = logKeys("another.example");
  const checkpoint = signCheckpoint(strange, await log.tree.head());
  const target = { source: log.source(), store, keys: strange };
  await expect(writeTiles(target, checkpoint, [])).rejects.toMatchObject(unfit);
  expect(store.files).toEqual(files);
});
