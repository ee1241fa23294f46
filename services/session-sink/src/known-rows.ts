import { type Batch, rowKey } from "./batch.ts";
import type { KnownRows } from "./write.ts";

/** Keys that are remembered; past it all are forgotten and looked up again. Some 30 MB. */
const KNOWN_MAX = 200_000;

export interface RememberedRows extends KnownRows {
  /** After a commit: the rows that the batch needed are there. */
  remember(batch: Batch): void;
  /** After a refusal, an erasure or a change of owners: somebody may have deleted rows. */
  clear(): void;
}

/**
 * Which tenants, users, devices and sessions have their row, so that a batch inserts stubs for
 * others only.
 */
export function rememberedRows(knownMax = KNOWN_MAX): RememberedRows {
  const known = new Set<string>();
  return {
    has: (key) => known.has(key),
    remember(batch) {
      if (known.size >= knownMax) known.clear();
      const { tenants, users, devices, stubs, sessions } = batch;
      for (const rows of [tenants, users, devices, stubs, sessions]) {
        for (const key of rows.keys()) known.add(key);
      }
      for (const row of batch.forgotten.values()) known.delete(rowKey(row));
    },
    clear: () => known.clear(),
  };
}
