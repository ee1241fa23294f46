import { endOf, frameAt, type Lying, REMOVED, recordAt, SEGMENT_HEAD_BYTES } from "./frame.ts";
import type { KeyTable } from "./key-table.ts";
import type { Segment } from "./segment.ts";

/** What of a segment is to be written again, and how far that is. */
export interface Part {
  /** Where the records lie. */
  readonly bytes: Buffer;
  readonly records: readonly Lying[];
  readonly to: number;
}

/**
 * The way through a store's oldest segment, a part with each write, after which nothing that lives is in it. It is
 * always the oldest one: so a removal need not be kept, for nothing older is left that it would have to hide.
 */
export class Sweep {
  private readonly segment: Segment;
  private readonly table: KeyTable;
  private readonly bytes: Buffer;
  private at = SEGMENT_HEAD_BYTES;

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

  /** The next frames of some `limit` bytes, one at least. Looked at again until they are `taken`. */
  next(limit: number): Part {
    const { segment, bytes } = this;
    const records: Lying[] = [];
    let to = this.at;
    while (to - this.at < limit) {
      const frame = frameAt(bytes, to, segment.bytes, segment.nonce);
      if (frame === null) break;
      let at = frame.recordsAt;
      for (let record = 0; record < frame.records; record++) {
        const lying = recordAt(bytes, at);
        if (this.lives(lying)) records.push(lying);
        at = endOf(lying);
      }
      to = frame.end;
    }
    return { bytes, records, to };
  }

  /** The part that ends there is written again. */
  taken(to: number): void {
    this.at = to;
  }

  get isDone(): boolean {
    return this.at >= this.segment.bytes;
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
