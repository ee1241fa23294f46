import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEntries } from "@vigie/audit-log/tiles";
import { describe, onTestFinished, test } from "vitest";
import { type Case, check } from "./testing/checking.ts";
import { fork, grow, key, log, noteAt, witness } from "./testing/logs.ts";
import { exportOf, MemoryLog, ORIGIN, signerOf, vkeyOf, writeTiles } from "./testing/memory-log.ts";
import { verify } from "./verify.mjs";

const trust = { key: [vkeyOf(key)], witness: [vkeyOf(witness)] };

interface TilesCase extends Omit<Case, "given"> {
  readonly tamper: (folder: string) => void;
}

const flip = (path: string, at: number) => (folder: string) => {
  const bytes = readFileSync(join(folder, path));
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(join(folder, path), bytes);
};
const edit = (path: string, from: string, to: string) => (folder: string) =>
  writeFileSync(
    join(folder, path),
    readFileSync(join(folder, path), "latin1").replace(from, to),
    "latin1",
  );
const remove = (path: string) => (folder: string) => rmSync(join(folder, path));
const put = (path: string, content: string) => (folder: string) =>
  writeFileSync(join(folder, path), content);

/** Bytes of the first 17 entries. */
const ENTRIES_17 = encodeEntries(log.bytes.slice(0, 17)).length;

const cases: readonly TilesCase[] = [
  { name: "as it was written", tamper: () => undefined, is: "intact" },
  {
    name: "a changed leaf",
    tamper: edit("tile/entries/001", '"event-310"', '"event-3I0"'),
    is: "tampered",
    index: 310,
  },
  {
    name: "a changed length of a leaf",
    tamper: flip("tile/entries/001", 0),
    is: "tampered",
    index: 256,
  },
  {
    name: "leaves that are missing",
    tamper: remove("tile/entries/001"),
    is: "incomplete",
    index: 256,
  },
  {
    name: "a cut bundle",
    tamper: cut("tile/entries/000", ENTRIES_17 + 99),
    is: "tampered",
    index: 17,
  },
  { name: "a changed hash", tamper: flip("tile/0/001", 54 * 32), is: "tampered", index: 310 },
  {
    name: "a changed hash of a partial tile",
    tamper: flip("tile/0/002.p/88", 32),
    is: "tampered",
    index: 513,
  },
  {
    name: "a changed hash of a higher tile",
    tamper: flip("tile/1/000.p/2", 32),
    is: "tampered",
    index: 256,
  },
  { name: "a tile that is missing", tamper: remove("tile/0/001"), is: "incomplete", index: 256 },
  {
    name: "a tile that never ends",
    tamper: (folder) => {
      remove("tile/0/001")(folder);
      symlinkSync("/dev/zero", join(folder, "tile/0/001"));
    },
    is: "incomplete",
    index: 256,
  },
  { name: "no checkpoint", tamper: remove("checkpoint"), is: "unreadable" },
  { name: "no note for a checkpoint", tamper: put("checkpoint", "none"), is: "tampered" },
  {
    name: "an older checkpoint than the tiles",
    tamper: put("checkpoint", await noteAt(400)),
    is: "intact",
  },
  {
    name: "signed again with another key",
    tamper: put("checkpoint", await log.checkpoint(signerOf(ORIGIN), [witness])),
    is: "tampered",
  },
  {
    name: "the checkpoint of a fork",
    tamper: put("checkpoint", await fork.checkpoint(key, [witness])),
    is: "tampered",
  },
];

function cut(path: string, bytes: number) {
  return (folder: string) => {
    const file = join(folder, path);
    writeFileSync(file, readFileSync(file).subarray(0, bytes));
  };
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-audit-tiles-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe("a folder of tiles", () => {
  test.each(cases)("$name", async ({ tamper, ...one }) => {
    const folder = newFolder();
    await writeTiles(log, folder, await noteAt());
    tamper(folder);
    check(one, await verify(folder, trust));
  });

  test("of a fork is seen against an older checkpoint", async () => {
    const folder = newFolder();
    await writeTiles(fork, folder, await fork.checkpoint(key, [witness]));
    const older = join(folder, "older");
    writeFileSync(older, await noteAt(400));
    check({ name: "", is: "tampered" }, await verify(folder, { ...trust, since: [older] }));
  });
});

/** Sizes around powers of two and of tiles. */
const SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 511, 512, 513];

describe("trees of all shapes are intact as export and as tiles", () => {
  test.each(SIZES)("%d leaves", async (size) => {
    const small = grow(new MemoryLog(), size);
    const folder = newFolder();
    const note = await small.checkpoint(key, [witness]);
    await writeTiles(small, folder, note);
    check({ name: "", is: "intact" }, await verify(folder, trust));
    const file = join(folder, "export");
    writeFileSync(file, (await exportOf(small, { note })).join(""));
    check({ name: "", is: "intact" }, await verify(file, trust));
  });
});
