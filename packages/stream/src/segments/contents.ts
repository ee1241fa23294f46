import { isShortage } from "../state/open-marker.ts";
import type { Checkpoint } from "../state/store.ts";
import {
  checkpointOf,
  endOf,
  type Frame,
  frameAt,
  RECORD_HEAD_BYTES,
  REMOVED,
  recordAt,
  SEGMENT_HEAD_BYTES,
} from "./frame.ts";
import { KeyTable, NOWHERE } from "./key-table.ts";
import type { ListedSegment } from "./manifest.ts";
import { Segment } from "./segment.ts";

/** A store is made smaller when it has more segments than this, and is more than so many times what lives in it. */
const SEGMENTS_MIN = 4;
const WASTE_MAX = 2;

/** Loading is work for the thread: one store after the other, so that the first task need not wait for the last one's. */
let loads: Promise<unknown> = Promise.resolve();

/** What lies in a store's segments, and where. */
export class Contents {
  readonly table = new KeyTable();
  /** Oldest first; the last one is written to. */
  segments: readonly Segment[] = [];
  checkpoint: Checkpoint | null = null;

  /** What a manifest lists. False: it cannot be read. */
  load(directory: string, listed: readonly ListedSegment[]): Promise<boolean> {
    const loaded = loads.then(() => this.loadNow(directory, listed));
    loads = loaded.catch(() => undefined);
    return loaded;
  }

  private async loadNow(directory: string, listed: readonly ListedSegment[]): Promise<boolean> {
    try {
      let base = 0;
      let memory = Buffer.alloc(0);
      for (const { name, bytes } of listed) {
        const segment = await Segment.open(directory, name, base);
        if (segment === null) return false;
        this.segments = [...this.segments, segment];
        if (segment.bytes > memory.length) memory = Buffer.allocUnsafeSlow(segment.bytes);
        await this.loadSegment(segment, bytes, memory);
        base = segment.end;
      }
      return true;
    } catch (thrown) {
      if (isShortage(thrown)) throw thrown;
      // A file is missing or shorter than it was: the changelog has all of it.
      return false;
    }
  }

  clear(): void {
    this.table.clear();
    this.segments = [];
    this.checkpoint = null;
  }

  /** Whether the key has a value. */
  holds(key: string): boolean {
    const slot = this.table.find(key);
    return slot !== -1 && this.table.lengthAt(slot) !== REMOVED;
  }

  valueAt(slot: number): Buffer | undefined {
    const length = this.table.lengthAt(slot);
    if (length === REMOVED) return undefined;
    const address = this.table.addressAt(slot);
    const segment = this.segmentOf(address);
    return segment.read(address - segment.base, length);
  }

  /** Puts the records of a frame into the table; where they end. */
  place(segment: Segment, bytes: Buffer, { recordsAt, records }: Frame): number {
    const { table } = this;
    let at = recordsAt;
    for (let record = 0; record < records; record++) {
      const lying = recordAt(bytes, at);
      const slot = table.slotFor(bytes, lying.keyAt, lying.keyBytes);
      const before = table.addressAt(slot);
      if (before !== NOWHERE) {
        this.segmentOf(before).liveBytes -= sizeOf(lying.keyBytes, table.lengthAt(slot));
      }
      table.move(slot, segment.base + lying.valueAt, lying.valueBytes);
      segment.liveBytes += sizeOf(lying.keyBytes, lying.valueBytes);
      at = endOf(lying);
    }
    return at;
  }

  /** Whether half of what is stored is read by nobody any more. */
  get isWasteful(): boolean {
    const { segments } = this;
    if (segments.length <= SEGMENTS_MIN) return false;
    let [bytes, live] = [0, 0];
    for (const segment of segments) {
      bytes += segment.bytes;
      live += segment.liveBytes;
    }
    return bytes > live * WASTE_MAX;
  }

  /** `listed`: so much of it counts; null: every frame that is whole. */
  private async loadSegment(segment: Segment, listed: number | null, bytes: Buffer): Promise<void> {
    if (listed !== null) segment.bytes = Math.min(segment.bytes, listed);
    await segment.readAll(bytes);
    let end = SEGMENT_HEAD_BYTES;
    for (;;) {
      const frame = frameAt(bytes, end, segment.bytes, segment.nonce);
      if (frame === null) break;
      this.checkpoint = checkpointOf(bytes, this.place(segment, bytes, frame), frame);
      end = frame.end;
    }
    if (listed !== null && end !== listed) throw new RangeError(`${segment.name} is not whole`);
    segment.bytes = end;
  }

  /** Most states that are asked for were written lately. */
  private segmentOf(address: number): Segment {
    const { segments } = this;
    let at = segments.length - 1;
    while (address < (segments[at] as Segment).base) at -= 1;
    return segments[at] as Segment;
  }
}

/** Of a record that is the newest of its key. A removal counts as waste: it goes when it is in the oldest segment. */
export const sizeOf = (keyBytes: number, valueBytes: number): number =>
  valueBytes === REMOVED ? 0 : RECORD_HEAD_BYTES + keyBytes + valueBytes;
