import type { FetchedRecord, RecordHeader, TopicPartition } from "./types.ts";

/** Where a field lies in its batch. Shape: -1 bytes for null. */
export interface Field {
  readonly at: number;
  readonly bytes: number;
}

/** A record that knows where its key and value lie: some thousands of them wait in queues, so they are kept small. */
export class LogRecord implements FetchedRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
  private readonly place: TopicPartition;
  private readonly bytes: Buffer;
  private readonly keyAt: number;
  private readonly keyBytes: number;
  private readonly valueAt: number;
  private readonly valueBytes: number;

  constructor(
    place: TopicPartition,
    bytes: Buffer,
    at: { readonly offset: number; readonly timestampMs: number },
    content: {
      readonly key: Field;
      readonly value: Field;
      readonly headers: readonly RecordHeader[];
    },
  ) {
    this.place = place;
    this.bytes = bytes;
    this.offset = at.offset;
    this.timestampMs = at.timestampMs;
    this.headers = content.headers;
    this.keyAt = content.key.at;
    this.keyBytes = content.key.bytes;
    this.valueAt = content.value.at;
    this.valueBytes = content.value.bytes;
  }

  get topic(): string {
    return this.place.topic;
  }

  get partition(): number {
    return this.place.partition;
  }

  get key(): Buffer | null {
    const { bytes, keyAt, keyBytes } = this;
    return keyBytes < 0 ? null : bytes.subarray(keyAt, keyAt + keyBytes);
  }

  get value(): Buffer | null {
    const { bytes, valueAt, valueBytes } = this;
    return valueBytes < 0 ? null : bytes.subarray(valueAt, valueAt + valueBytes);
  }

  get size(): number {
    return Math.max(0, this.keyBytes) + Math.max(0, this.valueBytes);
  }
}
