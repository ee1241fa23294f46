import { setTimeout as rest } from "node:timers/promises";
import { VigError } from "@vigie/core/errors";
import type { Decoder } from "@vigie/stream/codec";
import type { LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord, TopicPartition } from "@vigie/stream/kafka/types";

export type Reader = Pick<LoneReader, "read" | "endOffsets" | "stableOffsets" | "lowOffsets">;

/** Offsets read at a time: some 100 ms of reading. */
const SLICE_OFFSETS = 50_000;
const REST_MAX_MS = 5_000;

export interface Reading {
  readonly reader: Reader;
  readonly signal: AbortSignal;
}

/** How much of a partition there is to read, committed records only; of a topic that is missing nothing. */
export async function partitionsOf({ reader }: Reading, topic: string): Promise<number> {
  try {
    return (await reader.endOffsets(topic)).length;
  } catch (error) {
    if (error instanceof VigError && error.code === "VIG_TOPIC_MISSING") return 0;
    throw error;
  }
}

/**
 * Reads what a partition holds, slice by slice, and rests as long as each took: the live tasks come first. `take` gets
 * the records of a slice that are wanted. Throws: what the reader throws; the signal's reason.
 */
export async function readSlowly(
  { reader, signal }: Reading,
  { topic, partition }: TopicPartition,
  wanted: (record: FetchedRecord) => boolean,
  take: (records: readonly FetchedRecord[]) => Promise<void> | void,
): Promise<void> {
  const end = (await reader.stableOffsets(topic))[partition] ?? 0;
  let from = await lowOf(reader, topic, partition);
  while (from < end) {
    signal.throwIfAborted();
    const startedMs = performance.now();
    const to = Math.min(from + SLICE_OFFSETS, end);
    const records: FetchedRecord[] = [];
    try {
      await reader.read({ topic, partition, from, to }, (more) => {
        for (const record of more) if (wanted(record)) records.push(record);
      });
    } catch (error) {
      // Retention has passed by meanwhile: what is gone is gone.
      const low = await lowOf(reader, topic, partition);
      if (low <= from) throw error;
      from = low;
      continue;
    }
    await take(records);
    from = to;
    const tookMs = performance.now() - startedMs;
    if (from < end) await rest(Math.min(tookMs, REST_MAX_MS), undefined, { signal });
  }
}

const lowOf = async (reader: Reader, topic: string, partition: number): Promise<number> =>
  (await reader.lowOffsets(topic))[partition] ?? 0;

/** The values of records that can be decoded; those that cannot are dead letters by now, and are left out. */
export async function valuesOf<V>(
  decoder: Decoder<V>,
  records: readonly FetchedRecord[],
): Promise<readonly { readonly key: string; readonly value: V }[]> {
  const values: { key: string; value: V }[] = [];
  for (const { key, value } of records) {
    if (key === null || value === null) continue;
    let outcome = decoder.decode(value);
    while (outcome.kind === "later") {
      await outcome.ready;
      outcome = decoder.decode(value);
    }
    if (outcome.kind === "ok") values.push({ key: key.toString("utf8"), value: outcome.value });
  }
  return values;
}
