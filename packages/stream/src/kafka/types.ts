/** One header of a record. Order and repetition are kept. */
export interface RecordHeader {
  readonly name: string;
  readonly value: Buffer | null;
}

/** A record as it lies in the log. Key and value are slices of the fetch response, made anew whenever they are read. */
export interface FetchedRecord {
  /** Physical name, with the prefix of this installation. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
  /** Bytes of key and value. */
  readonly size: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicPartitionOffset extends TopicPartition {
  readonly offset: number;
}

/** A partition's part of one fetch response; records of aborted transactions and control records are left out. */
export interface FetchedChunk extends TopicPartition {
  /** The offset that was asked for. */
  readonly fetchOffset: number;
  readonly records: FetchedRecord[];
  /** Where the next fetch goes on: behind the last batch seen, control, aborted and compacted ones included. */
  readonly nextOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** The oldest offset that the partition still holds. */
  readonly logStartOffset: number;
  /** Size of the record batches in the response. */
  readonly bytes: number;
}

/** A record to be written; its partition has been chosen. Strings are written as UTF-8. */
export interface OutgoingMessage {
  readonly partition: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string>>;
  /** Default: the time of sending. The broker's clock wins on topics with LogAppendTime. */
  readonly timestampMs?: number;
}

export type Compression = "none" | "gzip";

export interface TopicMessages {
  readonly topic: string;
  readonly messages: readonly OutgoingMessage[];
  /** Default none; dead letters are written compressed so that what came in also fits there. */
  readonly compression?: Compression;
}

/** The first header of that name as text, or null. */
export function headerText(headers: readonly RecordHeader[], name: string): string | null {
  for (const header of headers) {
    if (header.name === name) return header.value === null ? null : header.value.toString("utf8");
  }
  return null;
}
