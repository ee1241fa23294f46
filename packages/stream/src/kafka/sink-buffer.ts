import { assert } from "@vigie/core/assert";
import { heldBytes } from "../held-bytes.ts";
import type { SinkPosition, SinkRecord } from "./sink.ts";
import type { FetchedChunk, FetchedRecord } from "./types.ts";

interface Input {
  readonly topic: string;
  readonly partition: number;
  records: FetchedRecord[];
  /** How many of `records` are written. */
  taken: number;
  /** Memory that the others take. */
  bytes: number;
  /** Behind everything fetched. */
  position: number;
  /** Behind everything that is in the store. */
  written: number;
}

/** What goes to the sink at once. */
export interface SinkBatch {
  readonly records: readonly SinkRecord[];
  readonly next: readonly SinkPosition[];
  /** The inputs as they were: a batch of partitions that were lost meanwhile moves nothing. */
  readonly parts: readonly { readonly input: Input; readonly count: number; readonly to: number }[];
}

/** Written records are let go of in groups: shifting an array for each would copy it each time. */
const TAKEN_MAX = 4_096;

/** Records that were fetched and are not in the store yet, by partition. */
export class SinkBuffer {
  private readonly prefix: string;
  private readonly inputs = new Map<string, Input>();
  recordCount = 0;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  begin(topic: string, partition: number, offset: number): void {
    const key = `${topic}/${partition}`;
    // A first chunk may have come before: then the input is known already.
    const known = this.inputs.get(key);
    if (known !== undefined) {
      known.written = Math.min(known.written, offset);
      return;
    }
    this.inputs.set(key, emptyInput(topic, partition, offset));
  }

  push({ topic, partition, records, fetchOffset, nextOffset }: FetchedChunk): void {
    const key = `${topic}/${partition}`;
    let input = this.inputs.get(key);
    if (input === undefined) {
      input = emptyInput(topic, partition, fetchOffset);
      this.inputs.set(key, input);
    }
    assert(fetchOffset === input.position, "chunks follow each other without a gap");
    input.position = nextOffset;
    for (const record of records) input.bytes += heldBytes(record);
    if (input.records.length === 0) input.records = records;
    // One by one: a spread of a batch that unpacked to some 100,000 records overflows the stack.
    else for (const record of records) input.records.push(record);
    this.recordCount += records.length;
  }

  bytesOf(topic: string, partition: number): number {
    return this.inputs.get(`${topic}/${partition}`)?.bytes ?? 0;
  }

  writtenOffset(topic: string, partition: number): number {
    return this.inputs.get(`${topic}/${partition}`)?.written ?? 0;
  }

  /** Something is not in the store yet: records, or a position that moved over others' aborted ones. */
  get isDirty(): boolean {
    if (this.recordCount > 0) return true;
    for (const input of this.inputs.values()) if (input.position > input.written) return true;
    return false;
  }

  /** The oldest records of all partitions, in equal shares as far as they go. */
  peek(recordsMax: number): SinkBatch {
    const dirty = [...this.inputs.values()].filter((input) => input.position > input.written);
    const waiting = dirty.filter((input) => input.records.length > input.taken).length;
    const share = Math.max(1, Math.ceil(recordsMax / Math.max(1, waiting)));
    const records: SinkRecord[] = [];
    const parts = dirty.map((input) => {
      const count = Math.min(share, input.records.length - input.taken);
      const end = input.taken + count;
      for (let i = input.taken; i < end; i += 1) {
        records.push(this.toSinkRecord(input.records[i] as FetchedRecord));
      }
      const to = end === input.records.length ? input.position : offsetAfter(input.records, end);
      return { input, count, to };
    });
    const next = parts.map(({ input, to }) => ({
      topic: this.nameOf(input.topic),
      partition: input.partition,
      offset: to,
      from: input.written,
    }));
    return { records, next, parts };
  }

  /** Every partition of the batch still stands where it stood when the batch was made. */
  isCurrent({ parts }: SinkBatch): boolean {
    return parts.every(({ input }) => this.isHeld(input));
  }

  written({ parts }: SinkBatch): void {
    for (const { input, count, to } of parts) {
      if (!this.isHeld(input)) continue;
      for (let i = input.taken; i < input.taken + count; i += 1) {
        input.bytes -= heldBytes(input.records[i] as FetchedRecord);
      }
      input.taken += count;
      input.written = to;
      this.recordCount -= count;
      if (input.taken === input.records.length) {
        input.records = [];
        input.taken = 0;
      } else if (input.taken >= TAKEN_MAX) {
        input.records = input.records.slice(input.taken);
        input.taken = 0;
      }
    }
  }

  /** Forgets a partition of all topics. */
  drop(partition: number): void {
    for (const input of [...this.inputs.values()]) {
      if (input.partition === partition) this.forget(input.topic, partition);
    }
  }

  forget(topic: string, partition: number): void {
    const input = this.inputs.get(`${topic}/${partition}`);
    if (input === undefined) return;
    this.recordCount -= input.records.length - input.taken;
    this.inputs.delete(`${topic}/${partition}`);
  }

  private isHeld(input: Input): boolean {
    return this.inputs.get(`${input.topic}/${input.partition}`) === input;
  }

  private nameOf(topic: string): string {
    return topic.slice(this.prefix.length);
  }

  private toSinkRecord(record: FetchedRecord): SinkRecord {
    const { partition, offset, timestampMs, key, value, headers } = record;
    return {
      topic: this.nameOf(record.topic),
      partition,
      offset,
      timestampMs,
      key: key === null ? "" : key.toString("utf8"),
      keyBytes: key,
      value,
      headers,
    };
  }
}

const emptyInput = (topic: string, partition: number, offset: number): Input => ({
  topic,
  partition,
  records: [],
  taken: 0,
  bytes: 0,
  position: offset,
  written: offset,
});

/** Everything before this record is written: the next read begins with it. */
function offsetAfter(records: readonly FetchedRecord[], end: number): number {
  const next = records[end];
  assert(next !== undefined, "a record follows");
  return next.offset;
}
