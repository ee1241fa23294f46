import { hashText, type Reader, type Writer } from "@vigie/core/bytes";

/**
 * An id as it came, or as it lies in the bytes of a stored state: most ids are only carried along, so a stored
 * one is made a string no earlier than when a finding names it.
 */
export type Id = string | StoredId;

/** The hexadecimal digits of a UUID, or a ULID and its prefix. */
const KEPT_BYTES_MAX = 32;
/** A UUID whose letters are capitals is kept as it came, too. */
const UUID_BYTES = 36;

/** An id as it is kept where many are: a longer one stands as its hash, so that it cannot make a state large. */
export const keptId = (id: string): string =>
  Buffer.byteLength(id) <= (hasUuidShape(id) ? UUID_BYTES : KEPT_BYTES_MAX)
    ? id
    : `#${hashText(id)}`;

/** Where a stored id begins and ends. */
export function skipId(reader: Reader): void {
  const length = reader.varint();
  reader.skip(length === 0 ? 16 : length - 1);
}

/** varint n, then: n = 0: the 16 bytes of a canonical UUID; else n - 1 bytes of UTF-8. */
export class StoredId {
  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  write(writer: Writer): void {
    writer.copy(this.bytes, this.from, this.to);
  }

  /** Compares without making a string. */
  is(id: string): boolean {
    return this.isUuid() ? isUuidAt(id, this.bytes, this.from + 1) : this.toString() === id;
  }

  same(other: StoredId): boolean {
    const length = this.to - this.from;
    if (length !== other.to - other.from) return false;
    for (let i = 0; i < length; i++) {
      if (this.bytes[this.from + i] !== other.bytes[other.from + i]) return false;
    }
    return true;
  }

  toString(): string {
    return this.isUuid()
      ? uuidText(this.bytes, this.from + 1)
      : this.bytes.toString("utf8", this.from + lengthSize(this.bytes, this.from), this.to);
  }

  private isUuid(): boolean {
    return this.bytes[this.from] === 0;
  }
}

const lengthSize = (bytes: Buffer, from: number): number =>
  (bytes[from] as number) < 0x80 ? 1 : 2;

/** Whether a stored id begins there and is this UUID; of another id it may be false too. */
export const isUuidIdAt = (bytes: Buffer, at: number, id: string): boolean =>
  bytes[at] === 0 && isUuidAt(id, bytes, at + 1);

export function sameId(a: Id, b: Id): boolean {
  if (typeof a === "string") return typeof b === "string" ? a === b : b.is(a);
  return typeof b === "string" ? a.is(b) : a === b || a.same(b);
}

export function writeId(writer: Writer, id: Id): void {
  if (typeof id !== "string") {
    id.write(writer);
    return;
  }
  writer.room(17);
  const start = writer.at;
  writer.u8(0);
  if (packUuid(id, writer)) return;
  writer.at = start;
  const bytes = Buffer.from(id, "utf8");
  writer.varint(bytes.length + 1);
  writer.copy(bytes, 0, bytes.length);
}

export function readId(reader: Reader): StoredId {
  const from = reader.at;
  skipId(reader);
  return new StoredId(reader.bytes, from, reader.at);
}

const BAD = 0xff;
const nibbles = new Uint8Array(128).fill(BAD);
for (let i = 0; i < 16; i++) nibbles[i.toString(16).charCodeAt(0)] = i;
const DASH = "-".charCodeAt(0);
/** Where each of the 16 bytes begins in the 36 characters of a UUID. */
const places = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);

const hasUuidShape = (text: string): boolean =>
  text.length === 36 &&
  text.charCodeAt(8) === DASH &&
  text.charCodeAt(13) === DASH &&
  text.charCodeAt(18) === DASH &&
  text.charCodeAt(23) === DASH;

/** The byte at `place`, or a value over 255 when it is not two lower-case hexadecimal digits. */
function byteOf(text: string, place: number): number {
  const high = text.charCodeAt(place);
  const low = text.charCodeAt(place + 1);
  if (high > 0x7f || low > 0x7f) return 0xfff;
  return ((nibbles[high] as number) << 4) | (nibbles[low] as number);
}

/** Only lower-case UUIDs are packed: what is read back must be what was written. */
function packUuid(text: string, writer: Writer): boolean {
  if (!hasUuidShape(text)) return false;
  for (let i = 0; i < 16; i++) {
    const value = byteOf(text, places[i] as number);
    // BAD in the low digit gives 255 beside a legal ff; only its own digits can tell the two apart.
    if (value > 0xff || (value === 0xff && !isFf(text, places[i] as number))) return false;
    writer.u8(value);
  }
  return true;
}

const F = "f".charCodeAt(0);
const isFf = (text: string, place: number): boolean =>
  text.charCodeAt(place) === F && text.charCodeAt(place + 1) === F;

function isUuidAt(text: string, bytes: Buffer, from: number): boolean {
  if (!hasUuidShape(text)) return false;
  for (let i = 0; i < 16; i++) {
    const place = places[i] as number;
    const value = byteOf(text, place);
    if (value !== bytes[from + i] || (value === 0xff && !isFf(text, place))) return false;
  }
  return true;
}

function uuidText(bytes: Buffer, from: number): string {
  const hex = bytes.toString("hex", from, from + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
