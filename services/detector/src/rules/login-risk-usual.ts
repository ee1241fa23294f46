import { Reader, Writer } from "@vigie/core/bytes";
import { TRAIT_BITS, TRAIT_COUNT, type Traits } from "#enrich/traits";

/** How many different values are remembered of each trait of one user; together with their counts 168 bytes. */
const capacities = [16, 8, 6, 8, 8, 6, 4] as const;
/** The counts are halved at so many logins: a user who moves is at home in the new place after that many. */
export const WINDOW_MAX = 128;
/**
 * Two bytes of a value's hash, a byte of count. Of 16 values that are kept, another one is taken for one in 4,096
 * times: a login that is let pass, among the ones that a score lets pass anyway.
 */
const ENTRY_BYTES = 3;
/** In the byte of count, which is below it: the last entry of a trait. */
const LAST = 0x80;
const COUNT = 0x7f;

/**
 * What a user usually logs in with: of each trait the values, and how often each came. Kept as the bytes that it is
 * stored as, and written with a login that was added no earlier than when it is stored: varint logins ever; a byte of
 * those that the counts stand for; of each trait the entries, the one used last first. Immutable.
 */
export class Usual {
  static readonly none = new Usual(new Reader(Buffer.alloc(0), 0, 0), null);

  readonly loginsEver: number;
  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;
  /** Came after what the bytes hold. */
  private readonly newest: Traits | null;

  private constructor(reader: Reader, newest: Traits | null) {
    this.bytes = reader.bytes;
    this.from = reader.at;
    this.to = reader.end;
    const before = reader.at === reader.end ? 0 : reader.varint();
    this.loginsEver = before + (newest === null ? 0 : 1);
    this.newest = newest;
  }

  /** Those that the counts stand for. */
  get logins(): number {
    const { bytes, from, to } = this.written();
    return from === to ? 0 : (bytes[entriesFrom(bytes, from) - 1] as number);
  }

  /** In how many of `logins` each trait had this login's value. */
  countsOf(login: Traits): readonly number[] {
    const { bytes, from, to } = this.written();
    const counts = new Array<number>(TRAIT_COUNT).fill(0);
    if (from === to) return counts;
    let at = entriesFrom(bytes, from);
    for (let trait = 0; trait < TRAIT_COUNT; trait++) {
      const value = shortOf(login[trait] as number);
      for (let isLast = false; !isLast; at += ENTRY_BYTES) {
        const last = bytes[at + 2] as number;
        if (shortAt(bytes, at) === value) counts[trait] = last & COUNT;
        isLast = last >= LAST;
      }
    }
    return counts;
  }

  plus(login: Traits): Usual {
    const { bytes, from, to } = this.written();
    return new Usual(new Reader(bytes, from, to), login);
  }

  write(writer: Writer): void {
    const { bytes, from, to, newest } = this;
    if (newest === null) writer.copy(bytes, from, to);
    else if (from === to) writeFirst(writer, newest);
    else writeNext(writer, bytes, new Reader(bytes, from, to), newest);
  }

  /** Takes all that the reader has left; leaves it somewhere within. */
  static read(reader: Reader): Usual {
    return new Usual(reader, null);
  }

  private written(): Usual {
    if (this.newest === null) return this;
    scratch.at = 0;
    this.write(scratch);
    const bytes = scratch.finish();
    return new Usual(new Reader(bytes, 0, bytes.length), null);
  }
}

const scratch = new Writer(512);

function writeFirst(writer: Writer, login: Traits): void {
  writer.room(2 + TRAIT_COUNT * ENTRY_BYTES);
  writer.u8(1);
  writer.u8(1);
  for (let trait = 0; trait < TRAIT_COUNT; trait++) {
    writeEntry(writer, shortOf(login[trait] as number), 1);
    endTrait(writer);
  }
}

function writeNext(writer: Writer, bytes: Buffer, reader: Reader, login: Traits): void {
  writer.varint(reader.varint() + 1);
  const logins = reader.u8() + 1;
  const shift = logins === WINDOW_MAX ? 1 : 0;
  writer.room(1 + reader.end - reader.at + TRAIT_COUNT * ENTRY_BYTES);
  writer.u8(logins >> shift);
  let { at } = reader;
  for (let trait = 0; trait < TRAIT_COUNT; trait++) {
    const value = shortOf(login[trait] as number);
    at = writeTrait(writer, bytes, { at, value, capacity: capacities[trait] as number, shift });
  }
}

interface NextOfTrait {
  readonly at: number;
  readonly value: number;
  readonly capacity: number;
  /** 1: counts are halved, and what came once is forgotten; but for the newest value. */
  readonly shift: number;
}

/** Writes a trait's entries with one more login of `value`, which comes first. Returns: where the next trait begins. */
function writeTrait(
  writer: Writer,
  bytes: Buffer,
  { at, value, capacity, shift }: NextOfTrait,
): number {
  let found = -1;
  let least = at;
  let end = at;
  for (let isLast = false; !isLast; end += ENTRY_BYTES) {
    isLast = (bytes[end + 2] as number) >= LAST;
    if (shortAt(bytes, end) === value) found = end;
    if (countAt(bytes, end) <= countAt(bytes, least)) least = end;
  }
  const known = found < 0 ? 0 : countAt(bytes, found);
  writeEntry(writer, value, Math.max(1, (known + 1) >> shift));
  const isFull = found < 0 && end - at === capacity * ENTRY_BYTES;
  const left = isFull ? least : found;
  for (let entry = at; entry < end; entry += ENTRY_BYTES) {
    const count = countAt(bytes, entry) >> shift;
    if (entry !== left && count > 0) writeEntry(writer, shortAt(bytes, entry), count);
  }
  endTrait(writer);
  return end;
}

function writeEntry(writer: Writer, value: number, count: number): void {
  writer.u8(value >>> 8);
  writer.u8(value);
  writer.u8(count);
}

const endTrait = (writer: Writer): void => {
  const last = writer.at - 1;
  writer.bytes[last] = (writer.bytes[last] as number) | LAST;
};

const shortOf = (value: number): number => value >>> (TRAIT_BITS - 16);
const shortAt = (bytes: Buffer, at: number): number =>
  ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
const countAt = (bytes: Buffer, at: number): number => (bytes[at + 2] as number) & COUNT;

/** Behind the logins ever and those counted. */
function entriesFrom(bytes: Buffer, from: number): number {
  let at = from;
  while ((bytes[at] as number) >= 0x80) at++;
  return at + 2;
}
