import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openFolder } from "./folder.ts";
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
