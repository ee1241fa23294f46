import assert from "node:assert/strict";
import { cp, open, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import { contentOf, openFilesIn, withStoreDir, writeTexts } from "../testing/store-files.ts";
import { type ListedSegment, type Manifest, manifestIn } from "./manifest.ts";
import { SegmentStore } from "./segment-store.ts";

type Content = ReturnType<typeof contentOf>;
const EMPTY: Content = { at: null, texts: {} };
const openIn = (directory: string, segmentBytes = 4_096) =>
  SegmentStore.open(directory, { bootId: "boot-1", segmentBytes });

/** A store that was killed after some writes; what it held after each of them, beginning with none. */
async function killed(directory: string, segmentBytes = 4_096): Promise<Content[]> {
  const store = await openIn(directory, segmentBytes);
  const held = [contentOf(store)];
  for (let at = 1; at <= 6; at++) {
    await writeTexts(store, at, {
      [`key-${at % 3}`]: `value ${at}`,
      [`é-${at}`]: "",
      [`é-${at - 2}`]: null,
    });
    held.push(contentOf(store));
  }
  await store.close();
  return held;
}

async function listed(directory: string): Promise<readonly ListedSegment[]> {
  const { segments } = (await manifestIn(directory)) as Manifest;
  return segments;
}

async function reopened(directory: string, segmentBytes = 4_096): Promise<Content> {
  const store = await openIn(directory, segmentBytes);
  const content = contentOf(store);
  // It goes on from there, and once more.
  await writeTexts(store, 99, { last: "written" });
  await store.close();
  const again = await openIn(directory, segmentBytes);
  const expected = { at: 99, texts: { ...content.texts, last: "written" } };
  assert.deepEqual(contentOf(again), { at: 99, texts: sorted(expected.texts) });
  await again.close();
  assert.deepEqual(openFilesIn(directory), []);
  return content;
}

const sorted = (texts: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(texts).sort(([a], [b]) => (a < b ? -1 : 1)));

/** What is found in a copy of the store after `harm`. */
const afterHarm = (directory: string, harm: (copy: string) => Promise<void>): Promise<Content> =>
  withStoreDir(async (copy) => {
    await cp(directory, copy, { recursive: true });
    await harm(copy);
    return reopened(copy);
  });

/** Every so manyth byte: all of them take a minute. */
const SAMPLE = process.env.VIGIE_TEST_FULL === "1" ? 1 : 17;

test(
  "cut at any byte, the newest segment is a beginning of the writes, with its own checkpoint",
  () =>
    withStoreDir(async (directory) => {
      const held = await killed(directory);
      const name = (await listed(directory)).at(-1)?.name as string;
      const { length } = await readFile(join(directory, name));
      let [found, before] = [0, -1];
      for (
        let bytes = 24;
        bytes <= length;
        bytes = bytes === length ? bytes + 1 : Math.min(bytes + SAMPLE, length)
      ) {
        const content = await afterHarm(directory, (copy) => truncate(join(copy, name), bytes));
        const at = content.at ?? 0;
        assert.deepEqual(content, held[at], `cut at ${bytes} of ${length}`);
        assert.ok(at >= before, "more bytes hold no fewer writes");
        if (at !== before) found += 1;
        before = at;
      }
      assert.equal(before, held.length - 1);
      assert.equal(found, held.length, "each write is the last one of some cut");
    }),
  60_000,
);

test(
  "a bit that is another in a head or a mark ends the log there",
  () =>
    withStoreDir(async (directory) => {
      const held = await killed(directory);
      const name = (await listed(directory)).at(-1)?.name as string;
      const whole = await readFile(join(directory, name));
      // Heads of 12 bytes, each behind the mark before.
      let [at, frames] = [24, 0];
      while (at < whole.length) {
        const end = at + 12 + whole.readUInt32LE(at + 4) + 4;
        for (const byte of [at, at + 5, at + 8, end - 4, end - 1]) {
          const content = await afterHarm(directory, async (copy) => {
            const bytes = Buffer.from(whole);
            bytes[byte] = (bytes[byte] as number) ^ (1 << (byte % 8));
            await writeFile(join(copy, name), bytes);
          });
          assert.deepEqual(content, held[frames], `byte ${byte} of the frame at ${at}`);
        }
        [at, frames] = [end, frames + 1];
      }
      assert.equal(frames, held.length - 1);
    }),
  60_000,
);

test("a frame that another segment was torn from counts for nothing here", () =>
  withStoreDir(async (directory) => {
    const held = await killed(directory);
    const name = (await listed(directory)).at(-1)?.name as string;
    const content = await withStoreDir(async (other) => {
      await killed(other);
      const bytes = await readFile(join(other, (await listed(other)).at(-1)?.name as string));
      const file = await open(join(directory, name), "a");
      await file.write(bytes.subarray(24));
      await file.close();
      return reopened(directory);
    });
    assert.deepEqual(content, held.at(-1));
  }));

describe("begun anew, with nothing thrown:", () => {
  const harms: Record<string, (path: string) => Promise<void>> = {
    "is missing": (path) => rm(path),
    "is empty": (path) => truncate(path, 0),
    "ends within its head": (path) => truncate(path, 20),
    "is a byte short": async (path) => truncate(path, (await readFile(path)).length - 1),
    "is garbage": (path) => writeFile(path, Buffer.alloc(1_000, "garbage")),
  };
  for (const [what, harm] of Object.entries(harms)) {
    test(`a store of which an older segment ${what}`, () =>
      withStoreDir(async (directory) => {
        await killed(directory, 256);
        const segments = await listed(directory);
        assert.ok(segments.length >= 3, "there are older segments");
        for (const { name } of segments.slice(0, -1)) {
          const content = await afterHarm(directory, (copy) => harm(join(copy, name)));
          assert.deepEqual(content, EMPTY, name);
        }
      }));
  }

  for (const what of ["is missing", "is empty", "ends within its head", "is garbage"]) {
    test(`a store of which the newest segment ${what}`, () =>
      withStoreDir(async (directory) => {
        await killed(directory, 256);
        const name = (await listed(directory)).at(-1)?.name as string;
        const harm = harms[what] as (path: string) => Promise<void>;
        const content = await afterHarm(directory, (copy) => harm(join(copy, name)));
        assert.deepEqual(content, EMPTY);
      }));
  }

  const texts = ["", "{", "null", "7", "[]", '"text"', "{}", '{"segments":7}', '{"segments":[7]}'];
  for (const text of [...texts, '{"segments":[{"name":"none"}]}', '{"removedAtMs":"x"}', "\0"]) {
    test(`a store whose list is ${JSON.stringify(text)}`, () =>
      withStoreDir(async (directory) => {
        await killed(directory);
        const names = await readdir(directory);
        const manifest = names.find((name) => name.startsWith("manifest-")) as string;
        await writeFile(join(directory, manifest), text);
        assert.deepEqual(await reopened(directory), EMPTY);
        const left = (await readdir(directory)).filter((name) => name.endsWith(".seg"));
        assert.equal(left.length, (await listed(directory)).length, "nothing of before is left");
      }));
  }
});
