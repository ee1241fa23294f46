import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { memberOf } from "./tar.ts";
import { tarOf } from "./testing.ts";

async function read(archive: Buffer, name = "a.mmdb", chunkBytes = 700, bytesMax = 1 << 20) {
  async function* chunks() {
    for (let at = 0; at < archive.length; at += chunkBytes) {
      yield archive.subarray(at, at + chunkBytes);
    }
  }
  const parts: Buffer[] = [];
  for await (const part of memberOf(chunks(), { name, bytesMax })) parts.push(part);
  return Buffer.concat(parts);
}

const bytes = Buffer.from("the database".repeat(100));
const archive = tarOf([
  { name: "folder/", bytes: Buffer.alloc(0) },
  { name: "folder/COPYRIGHT.txt", bytes: Buffer.from("x".repeat(512)) },
  { name: "folder/a.mmdb", bytes },
  { name: "other/a.mmdb", bytes: Buffer.from("a second one") },
]);

test("a file of an archive comes out whole, however the archive is cut", () =>
  fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 2_000 }),
      fc.uint8Array({ maxLength: 2_000 }),
      fc.integer({ min: 1, max: 3_000 }),
      async (before, wanted, chunkBytes) => {
        const given = tarOf([
          { name: "x/before", bytes: Buffer.from(before) },
          { name: "x/a.mmdb", bytes: Buffer.from(wanted) },
        ]);
        expect(await read(given, "a.mmdb", chunkBytes)).toEqual(Buffer.from(wanted));
      },
    ),
    { numRuns: 50 },
  ));

test("what tar itself wrote is read", async () => {
  const folder = mkdtempSync(join(tmpdir(), "vigie-tar-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "GeoLite2-City_20260602"));
  writeFileSync(join(folder, "GeoLite2-City_20260602", "a.mmdb"), bytes);
  writeFileSync(join(folder, "GeoLite2-City_20260602", "LICENSE.txt"), "a licence");
  const tar = execFileSync("tar", ["-cf", "-", "GeoLite2-City_20260602"], { cwd: folder });
  expect(await read(tar)).toEqual(bytes);
});

test("of two files of a name the first one counts", async () => {
  expect(await read(archive)).toEqual(bytes);
});

test.each([
  ["has no such file", archive, "b.mmdb", "the archive has no b.mmdb"],
  [
    "has a folder of that name only",
    tarOf([{ name: "a.mmdb/", bytes: Buffer.alloc(0) }]),
    "a.mmdb",
  ],
  ["ends within a file", archive.subarray(0, 2_600), "a.mmdb", "the archive ends early"],
  ["ends before its end marks", archive.subarray(0, -1_024), "a.mmdb", "the archive ends early"],
  ["is none", Buffer.from("not an archive ".repeat(100)), "a.mmdb", "it is no tar archive"],
  ["is empty", Buffer.alloc(0), "a.mmdb", "the archive ends early"],
])("an archive that %s is refused", async (_, given, name, why = "the archive has no") => {
  await expect(read(given, name)).rejects.toThrow(why);
});

test("a header with a changed bit is refused, whichever it is", async () => {
  for (let at = 0; at < 512; at++) {
    const changed = Buffer.from(archive);
    changed[at] = (changed[at] as number) ^ 2;
    // Within the checksum's own field a bit may leave the number as it is: its padding.
    const isPadding = at >= 154 && at < 156;
    if (!isPadding) await expect(read(changed)).rejects.toThrow();
  }
});

test("no more is unpacked than is allowed, whoever says how much there is", async () => {
  const large = tarOf([{ name: "a.mmdb", bytes: Buffer.alloc(100_000) }]);
  await expect(read(large, "a.mmdb", 4_096, 50_000)).rejects.toThrow("larger than 50000 bytes");
  const beside = tarOf([
    { name: "b.txt", bytes: Buffer.alloc(100_000) },
    { name: "a.mmdb", bytes },
  ]);
  await expect(read(beside, "a.mmdb", 4_096, 50_000)).rejects.toThrow("larger than 50000 bytes");
});
