import { assert } from "./assert.ts";

const HIGH = 0x1_0000_0000;
/**
 * What the first four bytes of a varint hold. A larger number is taken as two halves below this, each an integer of 32
 * bits: for one loop over small and large numbers V8 14.6 made code for the small ones again and again.
 */
const FOUR_GROUPS = 2 ** 28;

/** A growing byte buffer, reused from one state to the next: states are encoded once a commit. */
export class Writer {
  bytes: Buffer;
  at = 0;

  constructor(size = 8_192) {
    this.bytes = Buffer.allocUnsafeSlow(size);
  }

  /** Makes room for `count` more bytes. Call before `u8`, `u16` and `u48`, which do not check. */
  room(count: number): void {
    if (this.at + count <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.at + count));
    this.bytes.copy(larger, 0, 0, this.at);
    this.bytes = larger;
  }

  u8(value: number): void {
    this.bytes[this.at++] = value;
  }

  u16(value: number): void {
    this.u16At(this.at, value);
    this.at += 2;
  }

  /** Writes over what was written at `position`, for lengths that are known only afterwards. */
  u16At(position: number, value: number): void {
    assert(value <= 0xffff, "a part of a state fits its length field");
    this.bytes[position] = value >>> 8;
    this.bytes[position + 1] = value;
  }

  u32(value: number): void {
    this.room(4);
    const { bytes } = this;
    bytes[this.at++] = value >>> 24;
    bytes[this.at++] = value >>> 16;
    bytes[this.at++] = value >>> 8;
    bytes[this.at++] = value;
  }

  /** Milliseconds since the epoch, and a bit beside them, fit 48 bits for 4,000 years. */
  u48(value: number): void {
    this.room(6);
    const high = Math.floor(value / HIGH);
    this.bytes[this.at++] = high >>> 8;
    this.bytes[this.at++] = high;
    this.u32(value >>> 0);
  }

  /** Seven bits a byte, low ones first; non-negative safe integers. */
  varint(value: number): void {
    this.room(8);
    if (value < FOUR_GROUPS) {
      this.groups(value | 0);
      return;
    }
    const low = (value % FOUR_GROUPS) | 0;
    for (let shift = 0; shift < 28; shift += 7) {
      this.bytes[this.at++] = ((low >>> shift) & 0x7f) | 0x80;
    }
    this.groups(Math.floor(value / FOUR_GROUPS) | 0);
  }

  /** Below 2^31. */
  private groups(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest >>>= 7) this.bytes[this.at++] = (rest & 0x7f) | 0x80;
    this.bytes[this.at++] = rest;
  }

  /** Either sign. */
  signed(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }

  text(value: string): void {
    const { length } = value;
    this.room(length * 3 + 5);
    const start = this.at;
    if (length < 0x80) {
      this.bytes[this.at++] = length;
      for (let i = 0; i < length; i++) {
        const code = value.charCodeAt(i);
        if (code > 0x7f) {
          this.wideText(value, start);
          return;
        }
        this.bytes[this.at++] = code;
      }
      return;
    }
    this.wideText(value, start);
  }

  private wideText(value: string, start: number): void {
    const encoded = Buffer.from(value);
    this.at = start;
    this.varint(encoded.length);
    this.copy(encoded, 0, encoded.length);
  }

  copy(source: Buffer, from: number, to: number): void {
    const length = to - from;
    this.room(length);
    if (length > 48) {
      // A view of the source, for `set`, would cost more than the copy.
      this.at += source.copy(this.bytes, this.at, from, to);
      return;
    }
    for (let i = from; i < to; i++) this.bytes[this.at++] = source[i] as number;
  }

  /** A copy of what was written; the writer starts over. */
  finish(): Buffer {
    const done = Buffer.allocUnsafe(this.at);
    this.bytes.copy(done, 0, 0, this.at);
    this.at = 0;
    return done;
  }
}

/** Reads what a Writer wrote. Throws: VIG_INVARIANT past the end; our own bytes never end early. */
export class Reader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  u8(): number {
    assert(this.at < this.end, "a state's bytes are whole");
    return this.bytes[this.at++] as number;
  }

  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  u32(): number {
    const from = this.skip(4);
    const { bytes } = this;
    const high = ((bytes[from] as number) << 8) | (bytes[from + 1] as number);
    return high * 0x1_0000 + (((bytes[from + 2] as number) << 8) | (bytes[from + 3] as number));
  }

  u48(): number {
    return this.u16() * HIGH + this.u32();
  }

  varint(): number {
    const low = this.groups();
    if (!this.goesOn()) return low;
    const high = this.groups();
    assert(!this.goesOn(), "a number of a state is a safe integer");
    return high * FOUR_GROUPS + low;
  }

  /** Up to four bytes of a varint; below 2^28. */
  private groups(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  /** Whether the byte just read says that more of its varint follow. */
  private goesOn(): boolean {
    return (this.bytes[this.at - 1] as number) > 0x7f;
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  text(): string {
    const from = this.skip(this.varint());
    return this.bytes.toString("utf8", from, this.at);
  }

  /** Steps over `length` bytes and returns where they begin. */
  skip(length: number): number {
    const from = this.at;
    assert(length <= this.end - from, "a state's bytes are whole");
    this.at = from + length;
    return from;
  }
}

/**
 * 64 bits of a text as two 32-bit halves, for finding repetitions, not against an adversary.
 * Source: cyrb53 by bryc (public domain), with all 64 bits kept.
 */
export function hash64(text: string): readonly [high: number, low: number] {
  let h1 = 0xdeadbeef;
  let h2 = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    h1 = Math.imul(h1 ^ code, 2_654_435_761);
    h2 = Math.imul(h2 ^ code, 1_597_334_677);
  }
  h1 = Math.imul(h1 ^ (h1 >>> 16), 2_246_822_507) ^ Math.imul(h2 ^ (h2 >>> 13), 3_266_489_909);
  h2 = Math.imul(h2 ^ (h2 >>> 16), 2_246_822_507) ^ Math.imul(h1 ^ (h1 >>> 13), 3_266_489_909);
  return [h2 >>> 0, h1 >>> 0];
}

/** The same 64 bits as 16 hexadecimal digits. */
export function hashText(text: string): string {
  const [high, low] = hash64(text);
  return (high + HIGH).toString(16).slice(1) + (low + HIGH).toString(16).slice(1);
}
