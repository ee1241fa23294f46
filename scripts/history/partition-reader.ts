import { assert } from "@vigie/core/assert";
import type { RawEvent } from "@vigie/detector/enrich/event";
import type { LoneReader } from "@vigie/stream/kafka/lone-reader";
import type { FetchedRecord } from "@vigie/stream/kafka/types";
import type { Input, InputRecord } from "@vigie/stream/processor";
import { admitRecord } from "@vigie/stream/task/admission";

/** Records of one input that are in memory at a time; four inputs are read beside each other. */
const CHUNK_RECORDS = 20_000;

export interface PartitionSource {
  readonly reader: LoneReader;
  readonly physicalName: (topic: string) => string;
  /** In the order in which a task names them: of two records of one time the first input's counts first. */
  readonly inputs: readonly Input<RawEvent>[];
  readonly partition: number;
  readonly partitions: number;
  /** Append time: before the one, or at or after the other, is left out. */
  readonly fromMs: number;
  readonly toMs: number;
}

/** One input's partition, chunk after chunk. */
class Cursor {
  private readonly input: Input<RawEvent>;
  private readonly source: PartitionSource;
  private records: readonly FetchedRecord[] = [];
  private at = 0;
  private position = -1;
  private end = -1;

  constructor(input: Input<RawEvent>, source: PartitionSource) {
    this.input = input;
    this.source = source;
  }

  async open(): Promise<void> {
    const { reader, physicalName, partition } = this.source;
    const topic = physicalName(this.input.topic);
    const [low, end] = await Promise.all([reader.lowOffsets(topic), reader.stableOffsets(topic)]);
    this.position = low[partition] ?? 0;
    this.end = end[partition] ?? 0;
    await this.fill();
  }

  /** Append time of the next record; Infinity: there is none. */
  get headMs(): number {
    return this.records[this.at]?.timestampMs ?? Number.POSITIVE_INFINITY;
  }

  take(): FetchedRecord {
    const record = this.records[this.at];
    assert(record !== undefined, "a record waits where one is taken");
    this.at += 1;
    return record;
  }

  /** Whether it has to be filled before the others' records may be taken. */
  get isDry(): boolean {
    return this.at >= this.records.length && this.position < this.end;
  }

  async fill(): Promise<void> {
    const { reader, physicalName, partition, fromMs, toMs } = this.source;
    const topic = physicalName(this.input.topic);
    while (this.isDry) {
      const to = Math.min(this.position + CHUNK_RECORDS, this.end);
      const chunk: FetchedRecord[] = [];
      await reader.read({ topic, partition, from: this.position, to }, (records) => {
        for (const record of records) if (record.timestampMs >= fromMs) chunk.push(record);
      });
      this.position = to;
      const last = chunk.findIndex(({ timestampMs }) => timestampMs >= toMs);
      // Append times only grow within a partition.
      if (last >= 0) this.position = this.end;
      this.records = last < 0 ? chunk : chunk.slice(0, last);
      this.at = 0;
    }
  }

  /** Null: it never touched a state. */
  async admit(raw: FetchedRecord): Promise<InputRecord<RawEvent> | null> {
    const { partition, partitions } = this.source;
    for (;;) {
      const outcome = admitRecord(this.input, raw, { partition, partitions });
      if (outcome.kind === "ok") return outcome.value;
      if (outcome.kind !== "later") return null;
      await outcome.ready;
    }
  }
}

/**
 * The events of one partition that a task would have taken, in its order: of all inputs the record appended first.
 * Yields null for a record that never touched a state.
 * Throws: VIG_OFFSET_OUT_OF_RANGE when retention was faster; VIG_BROKER_AWAY.
 */
export async function* readPartition(
  source: PartitionSource,
): AsyncGenerator<InputRecord<RawEvent> | null> {
  const cursors = source.inputs.map((input) => new Cursor(input, source));
  await Promise.all(cursors.map((cursor) => cursor.open()));
  for (;;) {
    for (const cursor of cursors) if (cursor.isDry) await cursor.fill();
    const first = cursors.reduce((one, other) => (other.headMs < one.headMs ? other : one));
    if (first.headMs === Number.POSITIVE_INFINITY) return;
    yield await first.admit(first.take());
  }
}
