import { assert } from "@vigie/core/assert";
import { heldBytes } from "../held-bytes.ts";
import type { RawRecord } from "./record.ts";

/**
 * The records of one input partition that were fetched and not yet taken, in the order of their offsets.
 * Kept as the chunks they came in: nothing is copied.
 */
export class InputQueue {
  readonly topic: string;
  readonly urgent: boolean;
  /** The first record's time in ms; Infinity when there is none. */
  headMs = Number.POSITIVE_INFINITY;
  /** Records that wait. */
  length = 0;
  /** Memory that the waiting records take. */
  bytes = 0;
  /** The next offset to fetch: behind every record, control record and gap that was seen. */
  position = -1;
  /** The last stable offset as last heard of; -1 when not heard of yet. */
  end = -1;
  /** A missing optional topic: empty for ever. */
  absent = false;
  private chunks: (readonly RawRecord[])[] = [];
  private chunkIndex = 0;
  private recordIndex = 0;
  private takenOffset = -1;

  constructor(topic: string, urgent: boolean) {
    this.topic = topic;
    this.urgent = urgent;
  }

  /** Adds fetched records; `position` and `end` as described above, even when there are no records. */
  push(records: readonly RawRecord[], position: number, end: number): void {
    this.position = Math.max(this.position, position);
    this.end = Math.max(this.end, end, this.position);
    if (records.length === 0) return;
    for (const record of records) this.bytes += heldBytes(record);
    this.chunks.push(records);
    this.length += records.length;
    if (this.length === records.length) this.headMs = records[0]?.timestampMs ?? this.headMs;
  }

  peek(): RawRecord {
    const record = this.chunks[this.chunkIndex]?.[this.recordIndex];
    assert(record !== undefined, "a record waits where one is looked at");
    return record;
  }

  /** Removes the first record. */
  take(): void {
    const chunk = this.chunks[this.chunkIndex];
    const record = chunk?.[this.recordIndex];
    assert(chunk !== undefined && record !== undefined, "a record waits where one is taken");
    this.takenOffset = record.offset;
    this.bytes -= heldBytes(record);
    this.length -= 1;
    this.recordIndex += 1;
    if (this.recordIndex === chunk.length) this.nextChunk();
    this.headMs =
      this.length === 0
        ? Number.POSITIVE_INFINITY
        : (this.chunks[this.chunkIndex]?.[this.recordIndex]?.timestampMs ?? this.headMs);
  }

  /** More can be read than what was fetched; an input that nothing is known of yet counts so. */
  get behind(): boolean {
    return !this.absent && (this.position < 0 || this.position < this.end);
  }

  /** The offset to commit: behind the last record taken, or the position when none waits. -1: unknown. */
  get nextOffset(): number {
    if (this.length === 0) return this.position;
    return this.takenOffset < 0 ? this.peek().offset : this.takenOffset + 1;
  }

  private nextChunk(): void {
    this.recordIndex = 0;
    this.chunkIndex += 1;
    // Taken chunks are let go of in groups: shifting an array for each would copy it each time.
    if (this.chunkIndex >= 16 || this.chunkIndex === this.chunks.length) {
      this.chunks = this.chunks.slice(this.chunkIndex);
      this.chunkIndex = 0;
    } else {
      this.chunks[this.chunkIndex - 1] = [];
    }
  }
}
