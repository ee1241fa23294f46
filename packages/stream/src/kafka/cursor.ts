import { assert } from "@vigie/core/assert";
import type { RecordHeader } from "./types.ts";

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/** Reads varints and fields in place; one per batch, so that records cost no reader of their own. */
export class Cursor {
  readonly buffer: Buffer;
  at: number;

  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer;
    this.at = at;
  }

  varInt(): number {
    const buffer = this.buffer;
    let byte = buffer[this.at++] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let z = byte & 0x7f;
    let shift = 7;
    do {
      byte = buffer[this.at++] as number;
      z |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte >= 0x80);
    z >>>= 0;
    return (z >>> 1) ^ -(z & 1);
  }

  /** A 64-bit varint as a number; exact up to 2^53. */
  varLong(): number {
    let scale = 1;
    let z = 0;
    let byte: number;
    do {
      byte = this.buffer[this.at++] as number;
      z += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte >= 0x80);
    return z % 2 === 0 ? z / 2 : -(z + 1) / 2;
  }

  /** Steps over a field's content. Shape: -1 bytes for null. Returns: where it begins. */
  skip(bytes: number): number {
    const from = this.at;
    this.at = from + Math.max(0, bytes);
    return from;
  }

  field(): Buffer | null {
    const bytes = this.varInt();
    const from = this.skip(bytes);
    return bytes < 0 ? null : this.buffer.subarray(from, this.at);
  }

  headers(): readonly RecordHeader[] {
    const count = this.varInt();
    if (count <= 0) return NO_HEADERS;
    // A header has two lengths at least; damaged bytes must not become millions of empty ones.
    assert(count * 2 <= this.buffer.length - this.at, "a record's headers lie in its batch");
    const headers: RecordHeader[] = [];
    for (let i = 0; i < count; i += 1) {
      const name = this.field();
      headers.push({ name: name === null ? "" : name.toString("utf8"), value: this.field() });
    }
    return headers;
  }
}
