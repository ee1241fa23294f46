import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createFile, openFolder } from "./folder.ts";
import { objectStoreSuite } from "./store.suite.ts";

const root = mkdtempSync(join(tmpdir(), "vigie-objects-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
const fresh = (): string => {
  count += 1;
  return join(root, `store-${count}`);
};

objectStoreSuite("folder", async () => openFolder(fresh()));

test("nothing but whole files is left in the folder", async () => {
  const path = fresh();
  const store = openFolder(path);
  await store.put("a/b", Buffer.from("1"));
  await store.put("a/b", Buffer.from("2"));
  expect(readdirSync(join(path, "a"))).toEqual(["b"]);
  await store.remove(["a/b"]);
  expect(readdirSync(path)).toEqual([]);
});

test("a folder that cannot be written to is told of, and a half-written file is not left", async () => {
  const path = fresh();
  writeFileSync(path, "a file where the folder should be");
  await expect(openFolder(path).put("a", Buffer.from("1"))).rejects.toThrow("VIG_OBJECTS_AWAY");
  await expect(openFolder(path).get("a")).rejects.toThrow("VIG_OBJECTS_AWAY");
});

test("a name that leads out of the folder is refused", async () => {
  for (const name of ["../x", "a/../../x", "."]) {
    await expect(openFolder(fresh()).put(name, Buffer.from("1"))).rejects.toThrow("VIG_INVARIANT");
  }
});

test("of many who create one file at once one is told that it did, and the file is its own", async () => {
  const path = join(fresh(), "a/b/c");
  const writers = Array.from({ length: 20 }, (_, i) => createFile(path, Buffer.from(`${i}`)));
  const done = await Promise.all(writers);
  expect(done.filter((made) => made)).toHaveLength(1);
  expect(readFileSync(path, "utf8")).toBe(`${done.indexOf(true)}`);
  expect(readdirSync(join(path, ".."))).toEqual(["c"]);
});
