import { assert } from "@vigie/core/assert";

/** First size of the scratch buffer; it doubles when a state needs more. */
const SCRATCH_BYTES = 4_096;
/** A varint carries 7 bits a byte; beyond 32 bits arithmetic replaces shifts. */
const VARINT_BASE = 128;

/** Appends values to a buffer that is reused; `take` hands out a copy and starts over. */
export class ByteWriter {
  #bytes: Buffer = Buffer.allocUnsafe(SCRATCH_BYTES);
  #length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** A whole number 0..2^53-1. */
  whole(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a whole number is written");
    this.#reserve(8);
    let rest = value;
    while (rest >= VARINT_BASE) {
      this.#bytes[this.#length] = (rest % VARINT_BASE) | VARINT_BASE;
      this.#length += 1;
      rest = Math.floor(rest / VARINT_BASE);
    }
    this.#bytes[this.#length] = rest;
    this.#length += 1;
  }

  /** null and a number are told apart by one added. */
  wholeOrNull(value: number | null): void {
    this.whole(value === null ? 0 : value + 1);
  }

  text(value: string): void {
    const bytes = Buffer.byteLength(value);
    this.whole(bytes);
    this.#reserve(bytes);
    this.#length += this.#bytes.write(value, this.#length);
  }

  textOrNull(value: string | null): void {
    this.byte(value === null ? 0 : 1);
    if (value !== null) this.text(value);
  }

  /** 64 bits without sign. */
  long(value: bigint): void {
    this.#reserve(8);
    this.#length = this.#bytes.writeBigUInt64BE(value, this.#length);
  }

  longOrNull(value: bigint | null): void {
    this.byte(value === null ? 0 : 1);
    if (value !== null) this.long(value);
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.whole(items.length);
    for (const item of items) write(item);
  }

  take(): Uint8Array {
    const copy = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return copy;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

/** Reads what ByteWriter wrote. Throws VIG_INVARIANT past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    assert(value !== undefined, "a stored state is whole");
    this.#at += 1;
    return value;
  }

  whole(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.byte();
      value += (byte % VARINT_BASE) * factor;
      if (byte < VARINT_BASE) return value;
      factor *= VARINT_BASE;
    }
  }

  wholeOrNull(): number | null {
    const value = this.whole();
    return value === 0 ? null : value - 1;
  }

  text(): string {
    const length = this.whole();
    assert(this.#at + length <= this.#bytes.length, "a stored text is whole");
    this.#at += length;
    return this.#bytes.toString("utf8", this.#at - length, this.#at);
  }

  textOrNull(): string | null {
    return this.byte() === 0 ? null : this.text();
  }

  long(): bigint {
    assert(this.#at + 8 <= this.#bytes.length, "a stored hash is whole");
    this.#at += 8;
    return this.#bytes.readBigUInt64BE(this.#at - 8);
  }

  longOrNull(): bigint | null {
    return this.byte() === 0 ? null : this.long();
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.whole() }, read);
  }

  atEnd(): boolean {
    return this.#at === this.#bytes.length;
  }
}
