import assert from "node:assert/strict";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "vitest";
import {
  contentOf,
  openFilesIn,
  type WriteFate,
  withStoreDir,
  withWriteFates,
  writeTexts,
} from "../testing/store-files.ts";
import type { Contents } from "./contents.ts";
import { endOf, frameAt, REMOVED, recordAt, SEGMENT_HEAD_BYTES } from "./frame.ts";
import { type Manifest, manifestIn } from "./manifest.ts";
import { Segment } from "./segment.ts";
import { SegmentStore } from "./segment-store.ts";

const KEYS = [
  "ada",
  "bob",
  "été",
  "Дa|\u{1F600}",
  "",
  "k".repeat(200),
  "\u0001a own",
  "a|b",
  "a|c",
];
type Texts = Record<string, string | null>;

type Step =
  | { readonly does: "write" | "fail"; readonly texts: Texts; readonly call: number }
  | { readonly does: "clear" | "reopen" | "leave" };

const texts: fc.Arbitrary<Texts> = fc.dictionary(
  fc.constantFrom(...KEYS),
  fc.option(
    fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 700 })).map((length) => "x".repeat(length)),
    { freq: 4 },
  ),
  { maxKeys: 6 },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ does: fc.constant("write" as const), texts, call: fc.constant(0) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      does: fc.constant("fail" as const),
      texts,
      call: fc.integer({ min: 1, max: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ does: "reopen" }, { does: "leave" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ does: "clear" }) },
);

interface World {
  readonly directory: string;
  readonly segmentBytes: number;
  store: SegmentStore;
  /** Openers that think they own it still. */
  readonly left: SegmentStore[];
  texts: Map<string, string>;
  at: number | null;
  /** Bytes of the longest write, which is in one segment. */
  longest: number;
}

const open = ({ directory, segmentBytes }: Pick<World, "directory" | "segmentBytes">) =>
  SegmentStore.open(directory, { bootId: "boot-1", segmentBytes });

function changed(world: World, changes: Texts): Map<string, string> {
  const after = new Map(world.texts);
  for (const [key, text] of Object.entries(changes)) {
    if (text === null) after.delete(key);
    else after.set(key, text);
  }
  return after;
}

async function take(world: World, step: Step): Promise<void> {
  const { store } = world;
  if (step.does === "write" || step.does === "fail") await write(world, step.texts, step.call);
  else if (step.does === "clear") {
    await store.clear();
    [world.texts, world.at] = [new Map(), null];
  } else {
    if (step.does === "leave") world.left.push(store);
    else await store.close();
    world.store = await open(world);
    for (const zombie of world.left) {
      await assert.rejects(writeTexts(zombie, 7, { ada: "zombie" }), { code: "VIG_STORE_LOST" });
    }
  }
}

/** Fails at its `failAt`th call that writes, if it has so many; then nothing of it is there, or all. */
async function write(world: World, changes: Texts, failAt: number): Promise<void> {
  const at = (world.at ?? 0) + 1;
  let calls = 0;
  const fateOf = (): WriteFate => {
    calls += 1;
    return calls === failAt ? "half" : "done";
  };
  await withWriteFates(fateOf, () => writeTexts(world.store, at, changes)).catch((thrown) => {
    assert.equal(thrown.code, "VIG_STORE_WRITE_FAILED");
    assert.ok(calls >= failAt);
  });
  if (world.store.checkpoint()?.changelogOffset === at) {
    [world.texts, world.at] = [changed(world, changes), at];
  } else assert.ok(failAt > 0 && calls >= failAt, "what did not fail is there");
  const length = Object.entries(changes).reduce(
    (sum, [key, text]) => sum + 6 + key.length * 3 + (text?.length ?? 0),
    0,
  );
  world.longest = Math.max(world.longest, length);
}

function checkReads({ store, texts, at }: World): void {
  const sorted = Object.fromEntries([...texts].sort(([a], [b]) => (a < b ? -1 : 1)));
  assert.deepEqual(contentOf(store), { at, texts: sorted });
  for (const key of KEYS) {
    const bytes = store.get(key);
    assert.equal(bytes === undefined ? undefined : Buffer.from(bytes).toString(), texts.get(key));
  }
  const open = [...texts.keys()].filter((key) => !key.startsWith("\u0001")).sort();
  assert.deepEqual(store.keysFrom("", null, 100), open);
  assert.deepEqual(
    store.keysFrom("a", "ada", 1),
    open.filter((key) => key.startsWith("a") && key > "ada").slice(0, 1),
  );
}

/** What lives in each listed segment, read from the files: of each key the newest record, if it is no removal. */
async function recount(directory: string, manifest: Manifest): Promise<Map<string, number>> {
  const newest = new Map<string, { name: string; bytes: number }>();
  for (const { name, bytes } of manifest.segments) {
    const segment = (await Segment.open(directory, name, 0)) as Segment;
    if (bytes !== null) segment.bytes = bytes;
    const all = Buffer.alloc(segment.bytes);
    await segment.readAll(all);
    await segment.close();
    for (let at = SEGMENT_HEAD_BYTES; ; ) {
      const frame = frameAt(all, at, all.length, segment.nonce);
      if (frame === null) break;
      for (let [left, from] = [frame.records, frame.recordsAt]; left > 0; left--) {
        const record = recordAt(all, from);
        const key = all.toString("utf8", record.keyAt, record.keyAt + record.keyBytes);
        const isRemoval = record.valueBytes === REMOVED;
        newest.set(key, { name, bytes: isRemoval ? 0 : endOf(record) - from });
        from = endOf(record);
      }
      at = frame.end;
    }
  }
  const live = new Map(manifest.segments.map(({ name }) => [name, 0]));
  for (const { name, bytes } of newest.values()) live.set(name, (live.get(name) ?? 0) + bytes);
  return live;
}

async function checkFiles(world: World): Promise<void> {
  const { directory, segmentBytes, longest } = world;
  const manifest = (await manifestIn(directory)) as Manifest;
  const live = await recount(directory, manifest);
  const { segments } = Reflect.get(world.store, "contents") as Contents;
  assert.deepEqual(new Map(segments.map(({ name, liveBytes }) => [name, liveBytes])), live);
  const lives = [...live.values()].reduce((sum, bytes) => sum + bytes, 0);
  let bytes = 0;
  for (const { name } of manifest.segments) bytes += (await stat(join(directory, name))).size;
  // Twice what lives and what a sweep is behind: some segments, each of them one long write at most.
  const bound = 2 * lives + 8 * (segmentBytes + longest + 200);
  assert.ok(bytes <= bound, `${bytes} bytes for ${lives} that live, at most ${bound}`);
  const names = (await readdir(directory)).filter((name) => name.endsWith(".seg"));
  const listed = manifest.segments.map(({ name }) => name);
  assert.deepEqual(names.sort(), listed.sort(), "every segment is listed");
}

test(
  "whatever is written, removed, cleared, failed, left and opened again: it holds what it should, in few files",
  () =>
    fc.assert(
      fc.asyncProperty(
        fc.constantFrom(512, 1_024, 2_048),
        fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
        (segmentBytes, steps) =>
          withStoreDir(async (directory) => {
            const store = await open({ directory, segmentBytes });
            const begun = { texts: new Map<string, string>(), at: null, longest: 0, left: [] };
            const world: World = { directory, segmentBytes, store, ...begun };
            for (const step of steps) {
              await take(world, step);
              checkReads(world);
            }
            await checkFiles(world);
            for (const some of [...world.left, world.store]) await some.close();
            assert.deepEqual(openFilesIn(directory), []);
            world.store = await open(world);
            checkReads(world);
            await checkFiles(world);
            await world.store.close();
          }),
      ),
      { numRuns: process.env.VIGIE_TEST_FULL === "1" ? 200 : 30 },
    ),
  120_000,
);

test("what is written over or comes and goes leaves few files and few keys in memory", () =>
  withStoreDir(async (directory) => {
    const store = await open({ directory, segmentBytes: 1_024 });
    const contents = Reflect.get(store, "contents") as Contents;
    let longest = 0;
    for (let at = 0; at < 400; at++) {
      await writeTexts(store, at, {
        [`kept-${at % 10}`]: "x".repeat(100),
        [`gone-${at}`]: "y".repeat(60),
        [`gone-${at - 3}`]: null,
        [`never there ${at}`]: null,
      });
      longest = Math.max(longest, contents.segments.length);
    }
    // 13 keys live in some 2 KB: twice that, one more that is swept, one that is written to.
    assert.ok(longest <= 12, `${longest} segments`);
    assert.ok(contents.table.size <= 80, `${contents.table.size} keys`);
    const names = (await readdir(directory)).filter((name) => name.endsWith(".seg"));
    assert.equal(names.length, contents.segments.length);
    assert.equal(openFilesIn(directory).length, contents.segments.length);
    await store.close();
  }));

test("removals are forgotten, too, once nothing is left that they hide", () =>
  withStoreDir(async (directory) => {
    const store = await open({ directory, segmentBytes: 1_024 });
    const { table } = Reflect.get(store, "contents") as Contents;
    await writeTexts(store, 1, { "never there": null });
    assert.equal(table.size, 0);
    const all = Array.from({ length: 500 }, (_, at) => `key-${at}`);
    await writeTexts(store, 2, Object.fromEntries(all.map((key) => [key, "x"])));
    await writeTexts(store, 3, Object.fromEntries(all.map((key) => [key, null])));
    assert.equal(table.size, all.length);
    for (let at = 4; at < 100; at++) await writeTexts(store, at, { last: "x".repeat(at) });
    assert.equal(table.size, 1);
    assert.deepEqual(contentOf(store), { at: 99, texts: { last: "x".repeat(99) } });
    await store.close();
  }));
