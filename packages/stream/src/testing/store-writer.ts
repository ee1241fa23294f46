import { writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { SegmentStore } from "../segments/segment-store.ts";
import { writeTexts } from "./store-files.ts";

/** Small, so that a kill meets every kind of step. */
export const WRITER_SEGMENT_BYTES = 2_048;

/** What the n-th write changes. */
export const changesOf = (n: number): Record<string, string | null> => ({
  [`key-${n % 7}`]: `${n} `.repeat(n % 60),
  [`gone-${n}`]: "y",
  [`gone-${n - 1}`]: null,
});

/** A process that writes to a store where it had ended, and tells of each write that has landed; until it is killed. */
async function writeOn(directory: string): Promise<never> {
  const store = await SegmentStore.open(directory, { segmentBytes: WRITER_SEGMENT_BYTES });
  for (let n = (store.checkpoint()?.changelogOffset ?? 0) + 1; ; n++) {
    await writeTexts(store, n, changesOf(n));
    writeSync(1, `${n}\n`);
  }
}

const [, script = "", directory] = process.argv;
if (import.meta.url === pathToFileURL(script).href && directory !== undefined) {
  await writeOn(directory);
}
