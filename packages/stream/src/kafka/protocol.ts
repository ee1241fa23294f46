import { AbortedFilter, type AbortedTransaction } from "./aborted.ts";
import { UNPACKED_BYTES_MAX } from "./decompress.ts";
import { fetchProtocol, type ProtocolRequest, READ_COMMITTED } from "./internals.ts";
import {
  isAbortMarker,
  isControl,
  isTransactional,
  readBatchHeader,
  readInt64,
  readRecords,
} from "./record-batch.ts";
import type { EncodedPayload } from "./repairs.ts";
import type { FetchedChunk, TopicPartitionOffset } from "./types.ts";

/** Reads the fields of a response in order. */
class Reader {
  private readonly buffer: Buffer;
  private at = 0;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  int16(): number {
    this.at += 2;
    return this.buffer.readInt16BE(this.at - 2);
  }

  int32(): number {
    this.at += 4;
    return this.buffer.readInt32BE(this.at - 4);
  }

  int64(): number {
    this.at += 8;
    return readInt64(this.buffer, this.at - 8);
  }

  text(): string {
    const bytes = this.int16();
    this.at += bytes;
    return this.buffer.toString("utf8", this.at - bytes, this.at);
  }

  slice(bytes: number): Buffer {
    this.at += bytes;
    return this.buffer.subarray(this.at - bytes, this.at);
  }

  list<T>(read: () => T): T[] {
    const length = this.int32();
    const items: T[] = [];
    for (let i = 0; i < length; i += 1) items.push(read());
    return items;
  }
}

/** One partition of a fetch response, its record batches still as bytes. */
export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly recordSet: Buffer;
}

export interface FetchedResponse {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

function readPartition(reader: Reader, topic: string): FetchedPartition {
  const partition = reader.int32();
  const errorCode = reader.int16();
  const highWatermark = reader.int64();
  const lastStableOffset = reader.int64();
  const logStartOffset = reader.int64();
  const aborted = reader.list(() => ({ producerId: reader.int64(), firstOffset: reader.int64() }));
  reader.int32(); // The preferred replica: fetches go to the leader.
  const recordSet = reader.slice(Math.max(0, reader.int32()));
  return {
    topic,
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    aborted,
    recordSet,
  };
}

/** Source: Kafka protocol, Fetch response version 11. */
function decodeFetch(payload: Buffer): FetchedResponse & { clientSideThrottleTime: number } {
  const reader = new Reader(payload);
  const clientSideThrottleTime = reader.int32();
  const errorCode = reader.int16();
  reader.int32(); // Session id: fetches are sessionless.
  const topics = reader.list(() => {
    const topic = reader.text();
    return reader.list(() => readPartition(reader, topic));
  });
  return { clientSideThrottleTime, errorCode, partitions: topics.flat() };
}

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
  readonly isolation: number;
}

/** A Fetch request whose response keeps records as bytes and errors as codes of their partition. */
export function fetchRequest(
  targets: readonly TopicPartitionOffset[],
  options: FetchOptions,
): ProtocolRequest<FetchedResponse> {
  const topics = targets.map(({ topic, partition, offset }) => ({
    topic,
    partitions: [
      { partition, fetchOffset: String(offset), maxBytes: options.maxBytesPerPartition },
    ],
  }));
  const asked = fetchProtocol({
    isolationLevel: options.isolation,
    maxWaitTime: options.maxWaitMs,
    minBytes: options.minBytes,
    maxBytes: options.maxBytes,
    topics,
  });
  return {
    ...asked,
    response: {
      decode: async (payload) => decodeFetch(payload),
      parse: async (decoded) => decoded as FetchedResponse,
    },
  };
}

/**
 * Decodes a partition's batches: no control records, none of aborted transactions, none below the asked offset. Ends
 * early once UNPACKED_BYTES_MAX are unpacked, so that many small batches do not fill the memory either; the rest is
 * fetched again. Throws, if it is the first one: what `readRecords` throws of a batch.
 */
export function toChunk(
  fetched: FetchedPartition,
  fetchOffset: number,
  isolation = READ_COMMITTED,
): FetchedChunk {
  const { topic, partition, recordSet } = fetched;
  const filter = isolation === READ_COMMITTED ? new AbortedFilter(fetched.aborted) : null;
  const records: FetchedChunk["records"] = [];
  let nextOffset = fetchOffset;
  let at = 0;
  let unpackedBytes = 0;
  while (unpackedBytes < UNPACKED_BYTES_MAX) {
    const header = readBatchHeader(recordSet, at);
    if (header === null) break;
    const { baseOffset: offset, producerId } = header;
    if (isControl(header)) {
      if (isAbortMarker(recordSet, at)) filter?.endedBy({ offset, producerId });
    } else if (
      !(filter?.covers({ offset, producerId, transactional: isTransactional(header) }) ?? false)
    ) {
      const held = records.length;
      try {
        const into = { fromOffset: fetchOffset, into: records };
        unpackedBytes += readRecords(fetched, recordSet, at, header, into);
      } catch (error) {
        if (at === 0) throw error;
        // What lies before it is handed over; the next fetch begins with it.
        records.length = held;
        break;
      }
    }
    nextOffset = Math.max(nextOffset, header.lastOffset + 1);
    at = header.end;
  }
  return {
    topic,
    partition,
    fetchOffset,
    records,
    nextOffset,
    highWatermark: fetched.highWatermark,
    lastStableOffset: fetched.lastStableOffset,
    logStartOffset: fetched.logStartOffset,
    bytes: at,
  };
}

/** A record batch on its way to its partition. */
export interface OutgoingBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}

export interface ProducedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly baseOffset: number;
  /** The broker's clock at the append; -1 on a topic that keeps the producer's times. */
  readonly appendedAtMs: number;
}

const PRODUCE_KEY = 0;
const PRODUCE_VERSION = 7;
const ALL_REPLICAS = -1;
/** Enough for the header of a request and any client id in use; a longer one costs a copy. */
const FRAME_ROOM = 256;

function encodeProduce(
  batches: readonly OutgoingBatch[],
  about: { readonly transactionalId: string | null; readonly timeoutMs: number },
): EncodedPayload {
  const id = about.transactionalId === null ? null : Buffer.from(about.transactionalId, "utf8");
  const names = batches.map((batch) => Buffer.from(batch.topic, "utf8"));
  let size = 2 + (id?.length ?? 0) + 2 + 4 + 4;
  for (let i = 0; i < batches.length; i += 1) {
    size += 2 + (names[i] as Buffer).length + 12 + (batches[i] as OutgoingBatch).bytes.length;
  }
  const framed = Buffer.allocUnsafe(FRAME_ROOM + size);
  const buffer = framed.subarray(FRAME_ROOM);
  let at = buffer.writeInt16BE(id === null ? -1 : id.length, 0);
  if (id !== null) at += id.copy(buffer, at);
  at = buffer.writeInt16BE(ALL_REPLICAS, at);
  at = buffer.writeInt32BE(about.timeoutMs, at);
  at = buffer.writeInt32BE(batches.length, at);
  for (let i = 0; i < batches.length; i += 1) {
    const { partition, bytes } = batches[i] as OutgoingBatch;
    at = buffer.writeInt16BE((names[i] as Buffer).length, at);
    at += (names[i] as Buffer).copy(buffer, at);
    at = buffer.writeInt32BE(1, at);
    at = buffer.writeInt32BE(partition, at);
    at = buffer.writeInt32BE(bytes.length, at);
    at += bytes.copy(buffer, at);
  }
  return { buffer, framed };
}

function decodeProduce(payload: Buffer): {
  partitions: ProducedPartition[];
  clientSideThrottleTime: number;
} {
  const reader = new Reader(payload);
  const topics = reader.list(() => {
    const topic = reader.text();
    return reader.list(() => {
      const partition = reader.int32();
      const errorCode = reader.int16();
      const baseOffset = reader.int64();
      const appendedAtMs = reader.int64();
      reader.int64(); // Log start offset.
      return { topic, partition, errorCode, baseOffset, appendedAtMs };
    });
  });
  return { partitions: topics.flat(), clientSideThrottleTime: reader.int32() };
}

/**
 * A Produce request, acknowledged by all replicas in sync; at most one batch a partition (the broker's rule).
 * Source: Kafka protocol, Produce version 7.
 */
export function produceRequest(
  batches: readonly OutgoingBatch[],
  about: { readonly transactionalId: string | null; readonly timeoutMs: number },
): ProtocolRequest<readonly ProducedPartition[]> {
  return {
    request: {
      apiKey: PRODUCE_KEY,
      apiVersion: PRODUCE_VERSION,
      apiName: "Produce",
      encode: async () => encodeProduce(batches, about),
    },
    response: {
      decode: async (payload) => decodeProduce(payload),
      parse: async (decoded) => (decoded as { partitions: ProducedPartition[] }).partitions,
    },
    requestTimeout: about.timeoutMs,
  };
}
