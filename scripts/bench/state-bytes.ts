import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { SegmentStore } from "@vigie/stream/segments/segment-store";
import { ENVELOPE_HEADER_BYTES } from "@vigie/stream/state/envelope";
import { isReservedKey } from "@vigie/stream/state/store";
import { percentile } from "./percentiles.ts";

/** Sizes of what a processor knows of its keys, and of all that belongs to none. */
export interface StateBytes {
  readonly keys: number;
  readonly median: number;
  readonly p99: number;
  readonly max: number;
  readonly aggregates: number;
}

/** Of the stores of a processor that has stopped, one a partition. */
export async function stateBytesOf(directory: string): Promise<StateBytes> {
  const sizes: number[] = [];
  let aggregates = 0;
  for (const name of await readdir(directory)) {
    if (!/^\d+$/.test(name)) continue;
    const store = await SegmentStore.open(join(directory, name));
    for (const [key, envelope] of store.entries()) {
      const bytes = envelope.length - ENVELOPE_HEADER_BYTES;
      if (isReservedKey(key)) aggregates += bytes;
      else sizes.push(bytes);
    }
    await store.close();
  }
  return {
    keys: sizes.length,
    median: percentile(sizes, 0.5),
    p99: percentile(sizes, 0.99),
    max: percentile(sizes, 1),
    aggregates,
  };
}
