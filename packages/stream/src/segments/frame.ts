import { crc32 } from "node:zlib";
import { assert } from "@vigie/core/assert";
import type { Checkpoint } from "../state/store.ts";
import { writeKey } from "./key-table.ts";

/**
 * A segment is a file of frames, one for each write of a store: head, records, checkpoint, and at the end the mark of
 * the head again. A process that is killed leaves a beginning of its last write, and then the second mark is missing
 * or another one. Marks depend on a number that is drawn for each segment: no state can hold one.
 *
 * Segment: name of the format, 8 bytes; 16 drawn bytes; frames.
 * Frame: mark, bytes of the body, records, 4 bytes each; the body; the mark.
 * Body: records, then the checkpoint as JSON.
 * Record: bytes of the key, 2; bytes of the value, 4, or REMOVED; the key in UTF-8; the value.
 */
const FORMAT = Buffer.from("VIGSEG01");
export const NONCE_BYTES = 16;
export const SEGMENT_HEAD_BYTES = FORMAT.length + NONCE_BYTES;
const FRAME_HEAD_BYTES = 12;
const MARK_BYTES = 4;
export const RECORD_HEAD_BYTES = 6;
/** In place of a length: the key was forgotten. */
export const REMOVED = 0xffff_ffff;
/** UTF-8 takes 3 bytes for a UTF-16 code unit at most. */
const KEY_BYTES_A_UNIT = 3;

/** A record as it lies in the bytes of a segment. */
export interface Lying {
  readonly keyAt: number;
  readonly keyBytes: number;
  readonly valueAt: number;
  /** Or REMOVED. */
  readonly valueBytes: number;
}

export function segmentHead(nonce: Buffer): Buffer {
  return Buffer.concat([FORMAT, nonce]);
}

/** The drawn bytes of a segment that begins so; null: it is none of ours. */
export function nonceOf(head: Buffer): Buffer | null {
  const isOurs = head.length >= SEGMENT_HEAD_BYTES && head.indexOf(FORMAT) === 0;
  return isOurs ? Buffer.from(head.subarray(FORMAT.length, SEGMENT_HEAD_BYTES)) : null;
}

export const recordRoom = (key: string, valueBytes: number): number =>
  RECORD_HEAD_BYTES + key.length * KEY_BYTES_A_UNIT + valueBytes;

/** Room for a frame beside its records. */
export const frameRoom = (checkpoint: Buffer): number =>
  FRAME_HEAD_BYTES + checkpoint.length + MARK_BYTES;

/** Writes one frame to `bytes`, which have the room. */
export class FrameWriter {
  private readonly bytes: Buffer;
  private readonly from: number;
  private at: number;
  private records = 0;

  constructor(bytes: Buffer, from: number) {
    this.bytes = bytes;
    this.from = from;
    this.at = from + FRAME_HEAD_BYTES;
  }

  record(key: string, value: Buffer | null): void {
    const { bytes, at } = this;
    const keyBytes = writeKey(bytes, at + RECORD_HEAD_BYTES, key);
    const valueAt = at + RECORD_HEAD_BYTES + keyBytes;
    bytes.writeUInt16LE(keyBytes, at);
    bytes.writeUInt32LE(value === null ? REMOVED : value.length, at + 2);
    if (value !== null) value.copy(bytes, valueAt, 0, value.length);
    this.at = valueAt + (value?.length ?? 0);
    this.records += 1;
  }

  /** A record as it lies elsewhere, `from` its head. */
  copied(from: Buffer, { keyAt, valueAt, valueBytes }: Lying): void {
    const end = valueAt + (valueBytes === REMOVED ? 0 : valueBytes);
    this.at += from.copy(this.bytes, this.at, keyAt - RECORD_HEAD_BYTES, end);
    this.records += 1;
  }

  /** Where the frame ends. */
  finish(checkpoint: Buffer, nonce: Buffer): number {
    const { bytes, from } = this;
    checkpoint.copy(bytes, this.at);
    const end = this.at + checkpoint.length;
    bytes.writeUInt32LE(end - from - FRAME_HEAD_BYTES, from + 4);
    bytes.writeUInt32LE(this.records, from + 8);
    const mark = markOf(bytes, from, from, nonce);
    bytes.writeUInt32LE(mark, from);
    return bytes.writeUInt32LE(mark, end);
  }
}

/** Of the frame at `offset` of its segment, whose head lies at `at`. */
function markOf(bytes: Buffer, at: number, offset: number, nonce: Buffer): number {
  const place = Buffer.alloc(8);
  place.writeDoubleLE(offset);
  return crc32(bytes.subarray(at + 4, at + FRAME_HEAD_BYTES), crc32(place, crc32(nonce)));
}

export interface Frame {
  /** Where its records begin. */
  readonly recordsAt: number;
  readonly records: number;
  /** Where the next frame begins. */
  readonly end: number;
}

/** The frame that begins there in a segment; null: none that is whole and ends by `limit`. */
export function frameAt(segment: Buffer, at: number, limit: number, nonce: Buffer): Frame | null {
  if (at + FRAME_HEAD_BYTES + MARK_BYTES > limit) return null;
  const mark = segment.readUInt32LE(at);
  const end = at + FRAME_HEAD_BYTES + segment.readUInt32LE(at + 4) + MARK_BYTES;
  if (end > limit || markOf(segment, at, at, nonce) !== mark) return null;
  if (segment.readUInt32LE(end - MARK_BYTES) !== mark) return null;
  return { recordsAt: at + FRAME_HEAD_BYTES, records: segment.readUInt32LE(at + 8), end };
}

/** The record whose head lies there. */
export function recordAt(bytes: Buffer, at: number): Lying {
  const keyBytes = bytes.readUInt16LE(at);
  const keyAt = at + RECORD_HEAD_BYTES;
  return { keyAt, keyBytes, valueAt: keyAt + keyBytes, valueBytes: bytes.readUInt32LE(at + 2) };
}

/** Where the next record begins. */
export const endOf = ({ valueAt, valueBytes }: Lying): number =>
  valueAt + (valueBytes === REMOVED ? 0 : valueBytes);

/** What stands behind the last record of a frame. */
export function checkpointOf(segment: Buffer, recordsEnd: number, { end }: Frame): Checkpoint {
  const text = segment.toString("utf8", recordsEnd, end - MARK_BYTES);
  const checkpoint = JSON.parse(text) as Checkpoint;
  assert(typeof checkpoint.changelogOffset === "number", "a whole frame ends with a checkpoint");
  return checkpoint;
}
