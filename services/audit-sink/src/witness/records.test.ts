import { readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openRecords, originHash } from "./records.ts";
import { freshFolder } from "./testing.ts";

const ORIGIN = "log.example/audit";

test("a log that was never seen has no record", async () => {
  const records = openRecords(join(freshFolder(), "not", "there"));
  expect(await records.read(ORIGIN)).toEqual({ generation: 0, note: null });
});

test("a record is replaced by who has read it, and is there for whoever opens the folder next", async () => {
  const folder = join(freshFolder(), "a", "b");
  const records = openRecords(folder);
  const none = await records.read(ORIGIN);
  expect(await records.replace(ORIGIN, none, "one")).toBe(true);
  const one = await openRecords(folder).read(ORIGIN);
  expect(one).toEqual({ generation: 1, note: "one" });
  expect(await openRecords(folder).replace(ORIGIN, one, "two")).toBe(true);
  expect(await records.read(ORIGIN)).toEqual({ generation: 2, note: "two" });
  expect(readdirSync(join(folder, originHash(ORIGIN)))).toEqual(["0000000000000002"]);
});

test("who has read an older record replaces nothing", async () => {
  const folder = freshFolder();
  const records = openRecords(folder);
  const old = await records.read(ORIGIN);
  for (const note of ["one", "two", "three"]) {
    await records.replace(ORIGIN, await records.read(ORIGIN), note);
  }
  // The file of its generation was there and is gone.
  expect(await openRecords(folder).replace(ORIGIN, old, "late")).toBe(false);
  expect(await records.read(ORIGIN)).toEqual({ generation: 3, note: "three" });
  const three = await records.read(ORIGIN);
  expect(await records.replace(ORIGIN, three, "four")).toBe(true);
});

test("of many who replace one record, one does", async () => {
  const folder = freshFolder();
  const read = await openRecords(folder).read(ORIGIN);
  const writers = Array.from({ length: 30 }, (_, i) =>
    openRecords(folder).replace(ORIGIN, read, `${i}`),
  );
  const done = await Promise.all(writers);
  expect(done.filter((made) => made)).toHaveLength(1);
  expect((await openRecords(folder).read(ORIGIN)).note).toBe(`${done.indexOf(true)}`);
});

test("a record that is gone between being listed and being read is looked for again", async () => {
  const folder = freshFolder();
  const records = openRecords(folder);
  await records.replace(ORIGIN, await records.read(ORIGIN), "one");
  // A name that leads nowhere: it is listed, and it is not there.
  const gone = join(folder, originHash(ORIGIN), "0000000000000002");
  symlinkSync(join(folder, "nowhere"), gone);
  const read = records.read(ORIGIN);
  const early = await Promise.race([read, new Promise((later) => setImmediate(later, "waits"))]);
  expect(early).toBe("waits");
  rmSync(gone);
  expect(await read).toEqual({ generation: 1, note: "one" });
});

test("logs have their records apart, and a file that was left half-written is none", async () => {
  const folder = freshFolder();
  const records = openRecords(folder);
  await records.replace(ORIGIN, await records.read(ORIGIN), "one");
  const own = join(folder, originHash(ORIGIN));
  writeFileSync(join(own, "0000000000000009.b1946ac9.new"), "half");
  expect(await records.read("another")).toEqual({ generation: 0, note: null });
  expect(await records.read(ORIGIN)).toEqual({ generation: 1, note: "one" });
  expect(readFileSync(join(own, "0000000000000001"), "utf8")).toBe("one");
});
