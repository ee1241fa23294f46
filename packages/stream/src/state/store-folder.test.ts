import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "vitest";
import { LmdbStore } from "../lmdb/lmdb-store.ts";
import { SegmentStore } from "../segments/segment-store.ts";
import { sealEnvelope } from "./envelope.ts";
import type { StateStore } from "./store.ts";

const state = sealEnvelope(Buffer.from("Dakar"), 1, null);
const WRITTEN = { clusterId: "cluster", changelogOffset: 3, inputOffsets: {}, writtenAtMs: 1 };

interface Kind {
  readonly name: string;
  open(directory: string): Promise<StateStore>;
  readonly files: RegExp;
}
const lmdb: Kind = { name: "LMDB", open: LmdbStore.open, files: /\.mdb$/ };
const log: Kind = { name: "a log", open: SegmentStore.open, files: /\.seg$|^manifest-/ };

let directory = "";
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "vigie-store-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

for (const [former, next] of [
  [lmdb, log],
  [log, lmdb],
] as const) {
  for (const how of ["in order", "by a crash"] as const) {
    test(`PRV-14: what ${former.name} kept in a folder, closed ${how}, is gone once ${next.name} lies there`, async () => {
      const before = await former.open(directory);
      await before.write(new Map([["acme|u-1", state]]), WRITTEN);
      if (how === "in order") await before.close();
      assert.ok((await readdir(directory)).some((name) => former.files.test(name)));
      const store = await next.open(directory);
      // It begins anew, so it is restored from the changelog, and no file of before is left.
      assert.equal(store.checkpoint(), null);
      assert.equal(store.get("acme|u-1"), undefined);
      const left = (await readdir(directory)).filter((name) => former.files.test(name));
      assert.deepEqual(left, []);
      await store.close();
      // Its files are gone, which it may find out when it lets go of them.
      if (how === "by a crash") await before.close().catch(() => undefined);
    });
  }
}
