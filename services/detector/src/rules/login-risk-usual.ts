import { TRAIT_COUNT, type Traits } from "#enrich/traits";
import { Reader, Writer } from "#state/bytes";

/** How many different values are remembered of each trait of one user; together with their counts 281 bytes. */
const capacities = [16, 8, 6, 8, 8, 6, 4] as const;
/** The counts are halved at so many logins: a user who moves is at home in the new place after that many. */
export const WINDOW_MAX = 128;
const ENTRY_BYTES = 5;

/**
 * What a user usually logs in with: of each trait the values as 32-bit hashes, and how often each came. Kept as the
 * bytes that it is stored as: varint logins ever; a byte of those that the counts stand for; of each trait a byte of
 * size, then 4 bytes of value and a byte of count for each, the one used last first. Immutable.
 */
export class Usual {
  static readonly none = new Usual(Buffer.alloc(2 + TRAIT_COUNT), 0, 2 + TRAIT_COUNT);

  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;

  private constructor(bytes: Buffer, from: number, to: number) {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  get loginsEver(): number {
    return this.reader().varint();
  }

  /** Those that the counts stand for. */
  get logins(): number {
    const reader = this.reader();
    reader.varint();
    return reader.u8();
  }

  /** In how many of `logins` each trait had this login's value. */
  countsOf(login: Traits): Uint8Array {
    const counts = new Uint8Array(TRAIT_COUNT);
    const reader = this.reader();
    reader.varint();
    reader.u8();
    for (let trait = 0; trait < TRAIT_COUNT; trait++) {
      const size = reader.u8();
      const at = reader.skip(size * ENTRY_BYTES);
      const found = entryOf(this.bytes, at, size, login[trait] as number);
      if (found >= 0) counts[trait] = this.bytes[found + 4] as number;
    }
    return counts;
  }

  plus(login: Traits): Usual {
    const reader = this.reader();
    const ever = reader.varint() + 1;
    const logins = reader.u8() + 1;
    const shift = logins === WINDOW_MAX ? 1 : 0;
    scratch.at = 0;
    scratch.varint(ever);
    scratch.room(this.to - this.from + TRAIT_COUNT * (ENTRY_BYTES + 1));
    scratch.u8(logins >> shift);
    for (let trait = 0; trait < TRAIT_COUNT; trait++) {
      const size = reader.u8();
      const at = reader.skip(size * ENTRY_BYTES);
      const capacity = capacities[trait] as number;
      writeTrait(this.bytes, { at, size, capacity, shift }, login[trait] as number);
    }
    const bytes = scratch.finish();
    return new Usual(bytes, 0, bytes.length);
  }

  write(writer: Writer): void {
    writer.copy(this.bytes, this.from, this.to);
  }

  static read(reader: Reader): Usual {
    return new Usual(reader.bytes, reader.at, reader.end);
  }

  private reader(): Reader {
    return new Reader(this.bytes, this.from, this.to);
  }
}

const scratch = new Writer(512);

interface Entries {
  readonly at: number;
  readonly size: number;
  readonly capacity: number;
  /** 1: counts are halved, and what came once is forgotten. */
  readonly shift: number;
}

/** Writes a trait's entries with one more login of `value`, which comes first. */
function writeTrait(bytes: Buffer, { at, size, capacity, shift }: Entries, value: number): void {
  const found = entryOf(bytes, at, size, value);
  const left = found >= 0 || size < capacity ? found : leastUsed(bytes, at, size);
  const sizeAt = scratch.at;
  scratch.u8(0);
  let kept = writeEntry(value, ((found >= 0 ? (bytes[found + 4] as number) : 0) + 1) >> shift);
  for (let entry = at; entry < at + size * ENTRY_BYTES; entry += ENTRY_BYTES) {
    if (entry === left) continue;
    kept += writeEntry(bytes.readUInt32BE(entry), (bytes[entry + 4] as number) >> shift);
  }
  scratch.bytes[sizeAt] = kept;
}

/** Returns: how many entries it wrote; none for a count of 0. */
function writeEntry(value: number, count: number): number {
  if (count === 0) return 0;
  scratch.u32(value);
  scratch.room(1);
  scratch.u8(count);
  return 1;
}

/** Where the entry of a value begins, or -1. */
function entryOf(bytes: Buffer, at: number, size: number, value: number): number {
  const first = value >>> 24;
  for (let i = 0; i < size; i++) {
    const entry = at + i * ENTRY_BYTES;
    if (bytes[entry] === first && bytes.readUInt32BE(entry) === value) return entry;
  }
  return -1;
}

/** The entry with the smallest count; of several, the one not used for longest. */
function leastUsed(bytes: Buffer, at: number, size: number): number {
  let least = at;
  for (let i = 1; i < size; i++) {
    const entry = at + i * ENTRY_BYTES;
    if ((bytes[entry + 4] as number) <= (bytes[least + 4] as number)) least = entry;
  }
  return least;
}
