import { assert } from "@vigie/core/assert";
import { Reader, Writer } from "@vigie/core/bytes";

/** The writer of all states, with what a session's fields need: whatever may be missing, hashes, lists. */
export class ByteWriter extends Writer {
  override u8(value: number): void {
    this.room(1);
    super.u8(value);
  }

  override varint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, "a whole number is written");
    super.varint(value);
  }

  /** null and a number are told apart by one added. */
  varintOrNull(value: number | null): void {
    this.varint(value === null ? 0 : value + 1);
  }

  textOrNull(value: string | null): void {
    this.u8(value === null ? 0 : 1);
    if (value !== null) this.text(value);
  }

  /** 64 bits without sign. */
  long(value: bigint): void {
    this.room(8);
    this.at = this.bytes.writeBigUInt64BE(value, this.at);
  }

  longOrNull(value: bigint | null): void {
    this.u8(value === null ? 0 : 1);
    if (value !== null) this.long(value);
  }

  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.varint(items.length);
    for (const item of items) write(item);
  }
}

/** Reads what ByteWriter wrote. Throws VIG_INVARIANT past the end. */
export class ByteReader extends Reader {
  constructor(bytes: Uint8Array) {
    super(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength);
  }

  varintOrNull(): number | null {
    const value = this.varint();
    return value === 0 ? null : value - 1;
  }

  textOrNull(): string | null {
    return this.u8() === 0 ? null : this.text();
  }

  long(): bigint {
    return this.bytes.readBigUInt64BE(this.skip(8));
  }

  longOrNull(): bigint | null {
    return this.u8() === 0 ? null : this.long();
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.varint() }, read);
  }

  atEnd(): boolean {
    return this.at === this.end;
  }
}
