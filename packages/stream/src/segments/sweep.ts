import { endOf, frameAt, type Lying, REMOVED, recordAt, SEGMENT_HEAD_BYTES } from "./frame.ts";
import type { KeyTable } from "./key-table.ts";
import type { Segment } from "./segment.ts";

/** How far a segment was looked through. */
interface Place {
  readonly at: number;
  /** Records of the frame that are still to come, and where it ends. */
  readonly records: number;
  readonly end: number;
}

/** What of a segment is to be written again, and how far that is. */
export interface Part {
  /** Where the records lie. */
  readonly bytes: Buffer;
  readonly records: readonly Lying[];
  readonly to: Place;
}

/**
 * The way through a store's oldest segment, a part with each write, after which nothing that lives is in it. It is
 * always the oldest one: so a removal need not be kept, for nothing older is left that it would have to hide.
 */
export class Sweep {
  private readonly segment: Segment;
  private readonly table: KeyTable;
  private readonly bytes: Buffer;
  private place: Place = { at: SEGMENT_HEAD_BYTES, records: 0, end: SEGMENT_HEAD_BYTES };

  private constructor(segment: Segment, table: KeyTable, bytes: Buffer) {
    this.segment = segment;
    this.table = table;
    this.bytes = bytes;
  }

  static async of(segment: Segment, table: KeyTable): Promise<Sweep> {
    const bytes = Buffer.allocUnsafeSlow(segment.bytes);
    await segment.readAll(bytes);
    return new Sweep(segment, table, bytes);
  }

  /**
   * The next records of some `limit` bytes, one at least; frames of a restore are long, so it may end within one.
   * Looked at again until they are `taken`. Throws: RangeError when the file has changed.
   */
  next(limit: number): Part {
    const { segment, bytes } = this;
    const lying: Lying[] = [];
    let { at, records, end } = this.place;
    const until = Math.min(at + limit, segment.bytes);
    while (at < until) {
      if (records === 0) {
        const frame = frameAt(bytes, at, segment.bytes, segment.nonce);
        if (frame === null) throw new RangeError(`${segment.name} has no frame at ${at}`);
        ({ recordsAt: at, records, end } = frame);
      } else {
        const record = recordAt(bytes, at);
        if (this.lives(record)) lying.push(record);
        at = endOf(record);
        records -= 1;
      }
      if (records === 0) at = end;
    }
    return { bytes, records: lying, to: { at, records, end } };
  }

  /** The part that ends there is written again. */
  taken(to: Place): void {
    this.place = to;
  }

  get isDone(): boolean {
    return this.place.at >= this.segment.bytes;
  }

  private lives({ keyAt, keyBytes, valueAt, valueBytes }: Lying): boolean {
    const { table, segment } = this;
    const slot = table.findIn(this.bytes, keyAt, keyBytes);
    if (slot === -1 || table.addressAt(slot) !== segment.base + valueAt) return false;
    if (valueBytes !== REMOVED) return true;
    table.remove(slot);
    return false;
  }
}
