import type { FetchedRecord, RecordHeader } from "../kafka/types.ts";

/** A record as it came from the broker, without the place that its queue knows. */
export type RawRecord = Omit<FetchedRecord, "topic" | "partition">;

/** A record to be written; `topic` is a catalogue name, the key a Buffer when it is passed on unchanged. */
export interface OutRecord {
  readonly topic: string;
  readonly partition: number;
  readonly key: string | Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string>>;
  /** Dead letters are written compressed, so that what came in fits with its headers. */
  readonly compress?: boolean;
}

/** Marks a record that was already published again to its right partition. */
export const REDIRECTED_HEADER = "vigie.redirected";

export const wasRedirected = (headers: readonly RecordHeader[]): boolean =>
  headers.some(({ name }) => name === REDIRECTED_HEADER);

/** The headers that a copy of a record carries; of a repeated name the last one. */
export function copyHeaders(headers: readonly RecordHeader[]): Record<string, Buffer | string> {
  const copy: Record<string, Buffer | string> = {};
  for (const { name, value } of headers) copy[name] = value ?? "";
  return copy;
}
