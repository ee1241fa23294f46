import { gzipSync } from "node:zlib";
import { assert } from "@vigie/core/assert";
import { crc32c } from "./crc32c.ts";
import { Cursor } from "./cursor.ts";
import { decompress } from "./decompress.ts";
import { LogRecord } from "./log-record.ts";
import type { Compression, FetchedRecord, OutgoingMessage, TopicPartition } from "./types.ts";

// Source of the layout: Kafka protocol, record batch magic 2 (KIP-98).
const BATCH_OVERHEAD = 61;
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const MAGIC = 2;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const GZIP = 1;
/** A record's length, attributes, two deltas, and the lengths of key, value and headers. */
const RECORD_BYTES_MIN = 7;
const INT32 = 2 ** 32;

/** What the header of a record batch says. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly producerId: number;
  readonly attributes: number;
  readonly count: number;
}

export const isControl = (batch: BatchHeader): boolean => (batch.attributes & CONTROL) !== 0;
export const isTransactional = (batch: BatchHeader): boolean =>
  (batch.attributes & TRANSACTIONAL) !== 0;

export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * INT32 + buffer.readUInt32BE(at + 4);
}

export function writeInt64(buffer: Buffer, value: number, at: number): void {
  buffer.writeInt32BE(Math.floor(value / INT32), at);
  buffer.writeUInt32BE(value >>> 0, at + 4);
}

/** Bytes of a zigzag varint of `value`, which fits 32 bits. */
function varIntSize(value: number): number {
  const z = ((value << 1) ^ (value >> 31)) >>> 0;
  return z < 0x80 ? 1 : z < 0x4000 ? 2 : z < 0x20_0000 ? 3 : z < 0x1000_0000 ? 4 : 5;
}

function writeVarInt(buffer: Buffer, value: number, at: number): number {
  let z = ((value << 1) ^ (value >> 31)) >>> 0;
  let next = at;
  while (z >= 0x80) {
    buffer[next++] = (z & 0x7f) | 0x80;
    z >>>= 7;
  }
  buffer[next++] = z;
  return next;
}

type Text = Buffer | string;
type Headers = readonly (readonly [name: Text, value: Text])[];

const NO_HEADER_FIELDS: Headers = [];

const headerFields = (headers: OutgoingMessage["headers"]): Headers =>
  headers === undefined ? NO_HEADER_FIELDS : Object.entries(headers);

/** Bytes as UTF-8. Keys are short and mostly ASCII: a call into native code would cost more than this loop. */
function textSize(text: Text): number {
  if (typeof text !== "string") return text.length;
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.byteLength(text, "utf8");
  }
  return text.length;
}

function fieldSize(field: Text | null): number {
  if (field === null) return 1;
  const size = textSize(field);
  return varIntSize(size) + size;
}

/** A batch spans at most 2^31 ms (24 days), so that timestamp deltas fit 32 bits; a record outside is moved to the edge. */
function deltaFrom(baseMs: number, timestampMs: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, timestampMs - baseMs));
}

/** Bytes of a record behind its length. */
function bodySize(message: OutgoingMessage, offsetDelta: number, delta: number): number {
  const headers = headerFields(message.headers);
  let bytes = 1 + varIntSize(delta) + varIntSize(offsetDelta);
  bytes += fieldSize(message.key) + fieldSize(message.value) + varIntSize(headers.length);
  for (const [name, value] of headers) bytes += fieldSize(name) + fieldSize(value);
  return bytes;
}

function writeField(buffer: Buffer, field: Text | null, at: number): number {
  if (field === null) return writeVarInt(buffer, -1, at);
  const size = textSize(field);
  const next = writeVarInt(buffer, size, at);
  if (typeof field !== "string") buffer.set(field, next);
  else if (size !== field.length) buffer.write(field, next, "utf8");
  else for (let i = 0; i < size; i += 1) buffer[next + i] = field.charCodeAt(i);
  return next + size;
}

interface Place {
  readonly offsetDelta: number;
  readonly timestampDelta: number;
  readonly bodyBytes: number;
}

function writeRecord(buffer: Buffer, message: OutgoingMessage, place: Place, at: number): number {
  let next = writeVarInt(buffer, place.bodyBytes, at);
  buffer[next++] = 0;
  next = writeVarInt(buffer, place.timestampDelta, next);
  next = writeVarInt(buffer, place.offsetDelta, next);
  next = writeField(buffer, message.key, next);
  next = writeField(buffer, message.value, next);
  const headers = headerFields(message.headers);
  next = writeVarInt(buffer, headers.length, next);
  for (const [name, value] of headers) {
    next = writeField(buffer, name, next);
    next = writeField(buffer, value, next);
  }
  return next;
}

export interface BatchIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

/** The most that a record adds to a batch beside key, value and headers: lengths, deltas, attributes. */
const RECORD_OVERHEAD_MAX = 36;

/** An upper bound of a message's bytes in a batch, cheap enough to ask for every one. */
export function messageBytes(message: OutgoingMessage): number {
  let bytes = RECORD_OVERHEAD_MAX + (message.value?.length ?? 0);
  // UTF-8 takes at most three bytes for a UTF-16 unit.
  if (message.key !== null) {
    bytes += typeof message.key === "string" ? message.key.length * 3 : message.key.length;
  }
  if (message.headers !== undefined) {
    for (const [name, value] of headerFields(message.headers)) {
      bytes += textSize(name) + textSize(value) + 10;
    }
  }
  return bytes;
}

/**
 * The record batch of messages in their order: one allocation, every byte written once.
 * Shape: at least one message, all of one partition.
 */
export function encodeBatch(
  messages: readonly OutgoingMessage[],
  identity: BatchIdentity,
  options: { readonly nowMs: number; readonly compression?: Compression },
): Buffer {
  assert(messages.length > 0, "a batch has a message");
  const baseMs = messages[0]?.timestampMs ?? options.nowMs;
  let maxMs = baseMs;
  let bytes = BATCH_OVERHEAD;
  const sizes = new Int32Array(messages.length);
  const deltas = new Int32Array(messages.length);
  for (let i = 0; i < messages.length; i += 1) {
    const message = messages[i] as OutgoingMessage;
    const delta = deltaFrom(baseMs, message.timestampMs ?? options.nowMs);
    if (baseMs + delta > maxMs) maxMs = baseMs + delta;
    const bodyBytes = bodySize(message, i, delta);
    deltas[i] = delta;
    sizes[i] = bodyBytes;
    bytes += varIntSize(bodyBytes) + bodyBytes;
  }
  let batch: Buffer = Buffer.allocUnsafe(bytes);
  let at = BATCH_OVERHEAD;
  for (let i = 0; i < messages.length; i += 1) {
    const place = { offsetDelta: i, timestampDelta: deltas[i] ?? 0, bodyBytes: sizes[i] ?? 0 };
    at = writeRecord(batch, messages[i] as OutgoingMessage, place, at);
  }
  assert(at === bytes, "a batch is as long as reckoned");
  const gzip = options.compression === "gzip";
  if (gzip) {
    batch = Buffer.concat([
      batch.subarray(0, BATCH_OVERHEAD),
      gzipSync(batch.subarray(BATCH_OVERHEAD)),
    ]);
  }
  const attributes = (gzip ? GZIP : 0) | (identity.transactional ? TRANSACTIONAL : 0);
  writeHeader(batch, identity, { attributes, count: messages.length, baseMs, maxMs });
  return batch;
}

function writeHeader(
  batch: Buffer,
  identity: BatchIdentity,
  about: { attributes: number; count: number; baseMs: number; maxMs: number },
): void {
  writeInt64(batch, 0, 0);
  batch.writeInt32BE(batch.length - LENGTH_AT - 4, LENGTH_AT);
  batch.writeInt32BE(0, 12);
  batch.writeInt8(MAGIC, MAGIC_AT);
  batch.writeInt16BE(about.attributes, ATTRIBUTES_AT);
  batch.writeInt32BE(about.count - 1, 23);
  writeInt64(batch, about.baseMs, 27);
  writeInt64(batch, about.maxMs, 35);
  batch.writeInt32BE(about.count, 57);
  signBatch(batch, identity);
}

/** Makes an encoded batch one of this producer's, in place: so it can be written anew by a later epoch. */
export function signBatch(batch: Buffer, identity: Omit<BatchIdentity, "transactional">): void {
  writeInt64(batch, identity.producerId, 43);
  batch.writeInt16BE(identity.producerEpoch, 51);
  batch.writeInt32BE(identity.baseSequence, 53);
  batch.writeUInt32BE(crc32c(batch, ATTRIBUTES_AT), CRC_AT);
}

/** The header of the batch at `at`, or null when less than a whole batch is left (a fetch may cut the last one off). */
export function readBatchHeader(
  set: Buffer,
  at: number,
): (BatchHeader & { readonly end: number }) | null {
  if (at + BATCH_OVERHEAD > set.length) return null;
  const end = at + LENGTH_AT + 4 + set.readInt32BE(at + LENGTH_AT);
  if (end > set.length) return null;
  const magic = set.readInt8(at + MAGIC_AT);
  assert(magic === MAGIC, `record batches have magic ${MAGIC}, not ${magic}`);
  const baseOffset = readInt64(set, at);
  return {
    baseOffset,
    lastOffset: baseOffset + set.readInt32BE(at + 23),
    producerId: readInt64(set, at + 43),
    attributes: set.readInt16BE(at + ATTRIBUTES_AT),
    count: set.readInt32BE(at + 57),
    end,
  };
}

/**
 * Appends the records of one batch, from `fromOffset` on, to `into`. Returns: bytes of all its records, unpacked.
 * Throws: VIG_COMPRESSION_UNSUPPORTED, VIG_UNPACKED_TOO_LARGE, an Error for bytes that are not what they claim.
 */
export function readRecords(
  { topic, partition }: TopicPartition,
  set: Buffer,
  at: number,
  header: BatchHeader & { readonly end: number },
  options: { readonly fromOffset: number; readonly into: FetchedRecord[] },
): number {
  const codec = header.attributes & COMPRESSION_MASK;
  const place = { topic, partition };
  const packed = set.subarray(at + BATCH_OVERHEAD, header.end);
  const cursor =
    codec === 0
      ? new Cursor(set, at + BATCH_OVERHEAD)
      : new Cursor(decompress(codec, packed, { ...place, offset: header.baseOffset }), 0);
  const bytes = (codec === 0 ? header.end : cursor.buffer.length) - cursor.at;
  assert(header.count * RECORD_BYTES_MIN <= bytes, "a batch holds as many records as it says");
  const baseMs = readInt64(set, at + 27);
  const appendMs = (header.attributes & LOG_APPEND_TIME) !== 0 ? readInt64(set, at + 35) : null;
  for (let i = 0; i < header.count; i += 1) {
    const length = cursor.varInt();
    const end = cursor.at + length;
    cursor.at += 1; // Attributes of a record: unused.
    const deltaMs = cursor.varLong();
    const offset = header.baseOffset + cursor.varInt();
    if (offset < options.fromOffset) {
      cursor.at = end;
      continue;
    }
    options.into.push(new LogRecord(place, cursor, offset, appendMs ?? baseMs + deltaMs));
    cursor.at = end;
  }
  return bytes;
}

/** Whether a control batch ends its transaction by abort. Source: control record key = version int16, type int16. */
export function isAbortMarker(set: Buffer, at: number): boolean {
  const cursor = new Cursor(set, at + BATCH_OVERHEAD);
  cursor.varInt();
  cursor.at += 1;
  cursor.varLong();
  cursor.varInt();
  const key = cursor.field();
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}
