import type { Cursor } from "./cursor.ts";
import type { FetchedRecord, RecordHeader, TopicPartition } from "./types.ts";

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

  /** The cursor stands at the record's key. */
  constructor(place: TopicPartition, cursor: Cursor, offset: number, timestampMs: number) {
    this.place = place;
    this.bytes = cursor.buffer;
    this.offset = offset;
    this.timestampMs = timestampMs;
    this.keyBytes = cursor.varInt();
    this.keyAt = cursor.skip(this.keyBytes);
    this.valueBytes = cursor.varInt();
    this.valueAt = cursor.skip(this.valueBytes);
    this.headers = cursor.headers();
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
