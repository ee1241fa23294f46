import type { LoneReader } from "../kafka/lone-reader.ts";
import type { FetchedRecord } from "../kafka/types.ts";
import type { Checkpoint, StateStore } from "../state/store.ts";

export interface RestoreSource {
  readonly reader: Pick<LoneReader, "read">;
  readonly topic: string;
  readonly partition: number;
  /** The oldest offset that the changelog still holds. */
  readonly low: number;
  /** The changelog's high watermark, read after the task's producer was initialised. */
  readonly end: number;
  readonly clusterId: string;
  readonly nowMs: number;
}

export interface RestoreProgress {
  readonly done: number;
  readonly total: number;
}

/** Offsets read and written at a time: the next window is read while one is written, so memory holds two. */
const WINDOW_OFFSETS = 50_000;
/**
 * A tombstone is kept for a day (Kafka's delete.retention.ms), so a store that is older may have missed one.
 * Some hours are left for the restore itself.
 */
const STORE_AGE_MAX_MS = 20 * 3_600_000;

/** Whether the changelog's tail can be laid over this checkpoint. */
export function fitsChangelog(checkpoint: Checkpoint | null, source: RestoreSource): boolean {
  return (
    checkpoint !== null &&
    checkpoint.clusterId === source.clusterId &&
    checkpoint.changelogOffset <= source.end &&
    checkpoint.changelogOffset >= source.low &&
    (checkpoint.changelogOffset === source.end ||
      source.nowMs - checkpoint.writtenAtMs < STORE_AGE_MAX_MS)
  );
}

/**
 * Brings a store to the end of its changelog partition: the tail if the store fits it, else all of it.
 * Returns whether the store was rebuilt. Throws: VIG_BROKER_AWAY.
 */
export async function restoreStore(
  store: StateStore,
  source: RestoreSource,
  onProgress: (progress: RestoreProgress) => void,
): Promise<boolean> {
  const checkpoint = store.checkpoint();
  if (checkpoint !== null && fitsChangelog(checkpoint, source)) {
    await readFrom(checkpoint.changelogOffset, store, source, onProgress);
    return false;
  }
  await store.clear();
  await readFrom(source.low, store, source, onProgress);
  if (source.low >= source.end) await store.write(new Map(), checkpointAt(source, source.end));
  return true;
}

async function readFrom(
  first: number,
  store: StateStore,
  source: RestoreSource,
  onProgress: (progress: RestoreProgress) => void,
): Promise<void> {
  const { reader, topic, partition, end } = source;
  let written: Promise<void> = Promise.resolve();
  // Input offsets stay true while nothing but control records follows.
  let inputOffsets = store.checkpoint()?.inputOffsets ?? {};
  for (let from = first; from < end; ) {
    const to = Math.min(from + WINDOW_OFFSETS, end);
    const changes = new Map<string, Buffer | null>();
    await reader.read({ topic, partition, from, to }, (records) => collect(records, changes));
    await written;
    if (changes.size > 0) inputOffsets = {};
    written = store.write(changes, { ...checkpointAt(source, to), inputOffsets });
    // The next window is read meanwhile; a failed write is met by the await above or below.
    written.catch(() => undefined);
    onProgress({ done: to - first, total: end - first });
    from = to;
  }
  await written;
}

function collect(records: readonly FetchedRecord[], changes: Map<string, Buffer | null>): void {
  for (const { key, value } of records) {
    // A copy: a slice would keep its whole fetch response in memory.
    if (key !== null) changes.set(key.toString("utf8"), value === null ? null : Buffer.from(value));
  }
}

const checkpointAt = (source: RestoreSource, changelogOffset: number): Checkpoint => ({
  clusterId: source.clusterId,
  changelogOffset,
  inputOffsets: {},
  writtenAtMs: source.nowMs,
});
