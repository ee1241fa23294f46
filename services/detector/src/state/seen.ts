import { hash64, type Reader, type Writer } from "@vigie/core/bytes";

/** How many event ids of a user are remembered, as 64-bit hashes. Source: DESIGN, table of faults. */
export const SEEN_MAX = 128;
const HASH_BYTES = 8;
/** New hashes are kept beside the stored bytes until there are this many, then joined with them. */
const FRESH_MAX = 32;

/**
 * The newest event ids of one user, oldest first: those of the stored state as bytes, later ones as numbers.
 * Immutable: `add` returns the next one.
 */
export class SeenIds {
  static readonly none = new SeenIds(Buffer.alloc(0), 0, 0, []);

  private readonly bytes: Buffer;
  private readonly from: number;
  private readonly to: number;
  private readonly fresh: readonly number[];

  private constructor(bytes: Buffer, from: number, to: number, fresh: readonly number[]) {
    this.bytes = bytes;
    this.from = from;
    this.to = to;
    this.fresh = fresh;
  }

  get size(): number {
    return (this.to - this.from) / HASH_BYTES + this.fresh.length / 2;
  }

  /** The set with `eventId`, or null when it is in already. */
  add(eventId: string): SeenIds | null {
    const [high, low] = hash64(eventId);
    if (this.has(high, low)) return null;
    const stored = this.to - this.from;
    // The oldest falls out; it is a stored one, because fresh ones are fewer than the limit.
    const from = this.size >= SEEN_MAX && stored > 0 ? this.from + HASH_BYTES : this.from;
    // Mostly the first since the state was read; spread, it would take room for many.
    const fresh = this.fresh.length === 0 ? [high, low] : [...this.fresh, high, low];
    const next = new SeenIds(this.bytes, from, this.to, fresh);
    return fresh.length < FRESH_MAX * 2 ? next : next.joined();
  }

  private has(high: number, low: number): boolean {
    const { bytes, fresh } = this;
    const first = high >>> 24;
    for (let at = this.from; at < this.to; at += HASH_BYTES) {
      if (bytes[at] === first && isAt(bytes, at, high, low)) return true;
    }
    for (let i = 0; i < fresh.length; i += 2) {
      if (fresh[i] === high && fresh[i + 1] === low) return true;
    }
    return false;
  }

  private joined(): SeenIds {
    const bytes = Buffer.allocUnsafe(this.size * HASH_BYTES);
    this.bytes.copy(bytes, 0, this.from, this.to);
    this.fresh.forEach((half, i) => {
      bytes.writeUInt32BE(half, this.to - this.from + i * 4);
    });
    return new SeenIds(bytes, 0, bytes.length, []);
  }

  write(writer: Writer): void {
    writer.room(1);
    writer.u8(this.size);
    writer.copy(this.bytes, this.from, this.to);
    const { fresh } = this;
    // By index: an iterator makes an object of each number.
    for (let i = 0; i < fresh.length; i++) writer.u32(fresh[i] as number);
  }

  static read(reader: Reader): SeenIds {
    const count = reader.u8();
    if (count === 0) return SeenIds.none;
    const from = reader.skip(count * HASH_BYTES);
    return new SeenIds(reader.bytes, from, reader.at, []);
  }
}

const isAt = (bytes: Buffer, at: number, high: number, low: number): boolean =>
  bytes.readUInt32BE(at) === high && bytes.readUInt32BE(at + 4) === low;
