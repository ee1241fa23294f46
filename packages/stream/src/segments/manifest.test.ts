import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { test } from "vitest";
import { withStoreDir } from "../testing/store-files.ts";
import { ManifestFile, manifestIn } from "./manifest.ts";

const LISTED = { segments: [{ name: "1-1.seg", bytes: 24 }], removedAtMs: 5 };

test("openers at once: each ends with a number of its own and the whole list, only the last one owns the store", () =>
  withStoreDir(async (directory) => {
    const { file: first, before } = await ManifestFile.takeOver(directory);
    assert.deepEqual(before, { segments: [], removedAtMs: null });
    await first.write(LISTED);
    const taken = await Promise.all(
      Array.from({ length: 8 }, () => ManifestFile.takeOver(directory)),
    );
    for (const { before } of taken) assert.deepEqual(before, LISTED);
    const owners = taken.map(({ file }) => file.owner).sort((a, b) => a - b);
    assert.equal(new Set([first.owner, ...owners]).size, 9);
    const last = taken.filter(({ file }) => file.isOwned).map(({ file }) => file.owner);
    assert.deepEqual(last, owners.slice(-1));
    assert.ok(!first.isOwned);
    assert.deepEqual(await manifestIn(directory), LISTED);
    assert.ok((await readdir(directory)).every((name) => !name.endsWith(".draft")));
  }));

test("what an earlier owner lists or forgets changes nothing", () =>
  withStoreDir(async (directory) => {
    const { file: earlier } = await ManifestFile.takeOver(directory);
    await earlier.write(LISTED);
    const { file: later } = await ManifestFile.takeOver(directory);
    await earlier.write({ segments: [], removedAtMs: null });
    earlier.forget(`manifest-${later.owner}`);
    assert.deepEqual(await manifestIn(directory), LISTED);
    assert.ok(later.isOwned && !earlier.isOwned);
    // The list that it wrote is gone with the next opening.
    const { file: next } = await ManifestFile.takeOver(directory);
    assert.deepEqual(await readdir(directory), [`manifest-${next.owner}`]);
  }));
