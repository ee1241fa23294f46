import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import { isTrusted } from "./open-marker.ts";

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "vigie-marker-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

test("a store left open in this run of the kernel is trusted, one of another run is not", async () => {
  const directory = await folder();
  await writeFile(join(directory, "open-1"), "this-boot");
  assert.equal(await isTrusted(directory, "this-boot"), true);
  await writeFile(join(directory, "open-2"), "another-boot");
  assert.equal(await isTrusted(directory, "this-boot"), false);
});

test("a marker that its opener takes away while it is looked at says nothing", async () => {
  const directory = await folder();
  // Listed, and gone when it is read.
  await symlink(join(directory, "gone"), join(directory, "open-1"));
  assert.equal(await isTrusted(directory, "this-boot"), true);
});
