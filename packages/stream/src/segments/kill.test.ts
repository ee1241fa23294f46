import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { contentOf, withStoreDir } from "../testing/store-files.ts";
import { changesOf, WRITER_SEGMENT_BYTES } from "../testing/store-writer.ts";
import { SegmentStore } from "./segment-store.ts";

const WRITER = fileURLToPath(new URL("../testing/store-writer.ts", import.meta.url));

/** What a store holds after the first `end` writes. */
function heldAfter(end: number): Record<string, string> {
  const texts = new Map<string, string>();
  for (let n = 1; n <= end; n++) {
    for (const [key, text] of Object.entries(changesOf(n))) {
      if (text === null) texts.delete(key);
      else texts.set(key, text);
    }
  }
  return Object.fromEntries([...texts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Kills a writer at the end of its `lines`th line, wherever it is then; the last write that it told of. */
async function killAfter(lines: number, directory: string): Promise<number> {
  const writer = spawn(process.execPath, [WRITER, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(writer, "close");
  let [told, last] = [0, 0];
  for await (const line of createInterface({ input: writer.stdout })) {
    last = Number(line);
    told += 1;
    if (told === lines) writer.kill("SIGKILL");
  }
  const [, signal] = await ended;
  assert.equal(signal, "SIGKILL", "it was killed, and did not end by itself");
  return last;
}

test(
  "killed at any moment, again and again: the store is as after some write, the last one told of or a later one",
  () =>
    withStoreDir(async (directory) => {
      for (let life = 1; life <= 20; life++) {
        const lines = randomInt(1, 60);
        const told = await killAfter(lines, directory);
        const store = await SegmentStore.open(directory, { segmentBytes: WRITER_SEGMENT_BYTES });
        const { at, texts } = contentOf(store);
        const where = `life ${life}, killed after ${lines} lines, told of ${told}, holds ${at}`;
        assert.ok(at !== null && at >= told, where);
        assert.deepEqual(texts, heldAfter(at), where);
        await store.close();
      }
    }),
  60_000,
);
