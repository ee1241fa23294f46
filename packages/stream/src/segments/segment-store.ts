import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, VigError } from "@vigie/core/errors";
import { type Clock, DAY_MS } from "@vigie/core/time";
import {
  currentBootId,
  freshDirectory,
  isClosed,
  isTrusted,
  leaveMarker,
  type OpenMarker,
} from "../state/open-marker.ts";
import {
  type Checkpoint,
  type DueKey,
  isReservedKey,
  type StateChanges,
  type StateStore,
} from "../state/store.ts";
import {
  checkpointOf,
  endOf,
  type Frame,
  FrameWriter,
  frameAt,
  frameRoom,
  RECORD_HEAD_BYTES,
  REMOVED,
  recordAt,
  recordRoom,
  SEGMENT_HEAD_BYTES,
} from "./frame.ts";
import { KeyTable, NOWHERE } from "./key-table.ts";
import { type Manifest, ManifestFile, manifestIn } from "./manifest.ts";
import { Segment } from "./segment.ts";
import { type Part, Sweep } from "./sweep.ts";

export interface SegmentStoreOptions {
  /** Names the run of the kernel; tests pass another one. */
  readonly bootId?: string;
  /** Default: Date.now. */
  readonly clock?: Clock;
  /** The newest two segments are in memory as well. Default 8 MiB. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;
/** A store is made smaller when it has more segments than this, and is more than so many times what lives in it. */
const SEGMENTS_MIN = 4;
const WASTE_MAX = 2;
/** For each byte that a write adds, so many of the oldest segment are looked through while there is waste. */
const SWEPT_A_BYTE = 4;
/**
 * What was removed stays in its segment until that is made smaller. A store that is opened this long after its first
 * removal is begun anew, and restored from the changelog, which has let go of it by then: lag, segment and tombstone,
 * a day each.
 */
const REMOVED_KEPT_MS = 3 * DAY_MS;
/** LMDB's, which kept these states in earlier versions. Nobody reads them here, and they hold what was removed since. */
const FORMER_FILES = ["data.mdb", "lock.mdb"];

/**
 * A task's states as a log: each write is one frame at the end of the newest segment; a table in memory says where the
 * newest record of a key lies. Writing is one copy and one call; reading a state that was written lately is a copy.
 * When half of the log is records that nobody reads any more, each write takes a part of the oldest segment along.
 * It is not flushed: see open-marker.ts. It keeps no wake times: it is for processors that are not woken.
 */
export class SegmentStore implements StateStore {
  private readonly directory: string;
  private readonly manifest: ManifestFile;
  private readonly marker: OpenMarker;
  private readonly clock: Clock;
  private readonly segmentBytes: number;
  private readonly table = new KeyTable();
  /** Oldest first; the last one is written to. */
  private segments: Segment[] = [];
  private named = 0;
  private removedAtMs: number | null;
  private last: Checkpoint | null = null;
  private sweep: Sweep | null = null;
  /** The last write failed: nobody knows what lies behind the end of its segment. */
  private isTorn = false;

  private constructor(
    directory: string,
    its: {
      manifest: ManifestFile;
      marker: OpenMarker;
      clock: Clock;
      segmentBytes: number;
      removedAtMs: number | null;
    },
  ) {
    this.directory = directory;
    this.manifest = its.manifest;
    this.marker = its.marker;
    this.clock = its.clock;
    this.segmentBytes = its.segmentBytes;
    this.removedAtMs = its.removedAtMs;
  }

  /** Opens the store in `directory`; one that cannot be trusted or read is thrown away and begun anew. */
  static async open(directory: string, options: SegmentStoreOptions = {}): Promise<SegmentStore> {
    const { clock = Date.now, segmentBytes = SEGMENT_BYTES } = options;
    const bootId = options.bootId ?? currentBootId();
    await mkdir(directory, { recursive: true });
    if (!(await isUsable(directory, bootId, clock))) await freshDirectory(directory);
    const marker = await leaveMarker(directory, bootId);
    for (const name of FORMER_FILES) await rm(join(directory, name), { force: true });
    const { file: manifest, before } = await ManifestFile.takeOver(directory);
    const removedAtMs = before?.removedAtMs ?? null;
    const its = { manifest, marker, clock, segmentBytes, removedAtMs };
    const store = new SegmentStore(directory, its);
    if (before === null || !(await store.load(before))) await store.forgetAll();
    await store.rotate(segmentBytes);
    await manifest.forgetStrays(store.segments.map(({ name }) => name));
    return store;
  }

  get(key: string): Uint8Array | undefined {
    const slot = this.table.find(key);
    return slot === -1 ? undefined : this.valueAt(slot);
  }

  async write(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    await this.whileOwned(async () => {
      await this.noteRemovals(changes);
      await this.append(changes, checkpoint);
      await this.dropSwept();
    });
  }

  checkpoint(): Checkpoint | null {
    return this.last;
  }

  due(): DueKey[] {
    return [];
  }

  nextWakeMs(): null {
    return null;
  }

  /** Reads all keys: the table has no order. */
  keysFrom(prefix: string, after: string | null, limit: number): string[] {
    const found: string[] = [];
    for (const [key, slot] of this.table.entries()) {
      if (!key.startsWith(prefix) || isReservedKey(key)) continue;
      if ((after === null || key > after) && this.table.lengthAt(slot) !== REMOVED) found.push(key);
    }
    return found.sort().slice(0, limit);
  }

  *entries(): Iterable<[string, Uint8Array]> {
    for (const [key, slot] of this.table.entries()) {
      const value = this.valueAt(slot);
      if (value !== undefined) yield [key, value];
    }
  }

  async clear(): Promise<void> {
    await this.whileOwned(async () => {
      await this.forgetAll();
      await this.rotate(this.segmentBytes);
    });
  }

  async close(): Promise<void> {
    for (const segment of this.segments) {
      await segment.flush();
      await segment.close();
    }
    this.segments = [];
    await this.marker.clear();
  }

  /** What a manifest lists. False: it cannot be read. */
  private async load({ segments }: Manifest): Promise<boolean> {
    try {
      let base = 0;
      let memory = Buffer.alloc(0);
      for (const { name, bytes } of segments) {
        const segment = await Segment.open(this.directory, name, base);
        if (segment === null) return false;
        this.segments.push(segment);
        if (segment.bytes > memory.length) memory = Buffer.allocUnsafeSlow(segment.bytes);
        await this.loadSegment(segment, bytes, memory);
        base = segment.end;
      }
      return true;
    } catch {
      // A file is missing or shorter than it was: the changelog has all of it.
      return false;
    }
  }

  /** `listed`: so much of it counts; null: every frame that is whole. */
  private async loadSegment(segment: Segment, listed: number | null, bytes: Buffer): Promise<void> {
    if (listed !== null) segment.bytes = Math.min(segment.bytes, listed);
    await segment.readAll(bytes);
    let end = SEGMENT_HEAD_BYTES;
    for (;;) {
      const frame = frameAt(bytes, end, segment.bytes, segment.nonce);
      if (frame === null) break;
      this.last = checkpointOf(bytes, this.place(segment, bytes, frame), frame);
      end = frame.end;
    }
    if (listed !== null && end !== listed) throw new RangeError(`${segment.name} is not whole`);
    segment.bytes = end;
  }

  private valueAt(slot: number): Buffer | undefined {
    const length = this.table.lengthAt(slot);
    if (length === REMOVED) return undefined;
    const address = this.table.addressAt(slot);
    const segment = this.segmentOf(address);
    return segment.read(address - segment.base, length);
  }

  /** Most states that are asked for were written lately. */
  private segmentOf(address: number): Segment {
    const { segments } = this;
    let at = segments.length - 1;
    while (address < (segments[at] as Segment).base) at -= 1;
    return segments[at] as Segment;
  }

  /** Puts the records of a frame into the table; where they end. */
  private place(segment: Segment, bytes: Buffer, { recordsAt, records }: Frame): number {
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

  private async append(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    const end = Buffer.from(JSON.stringify(checkpoint));
    let room = frameRoom(end);
    changes.forEach((value, key) => {
      room += recordRoom(key, value?.length ?? 0);
    });
    const along = await this.takenAlong(room * SWEPT_A_BYTE);
    for (const lying of along?.records ?? []) room += sizeOf(lying.keyBytes, lying.valueBytes);
    const segment = await this.newest(room);
    const memory = segment.memory as Buffer;
    const writer = new FrameWriter(memory, segment.bytes);
    // In front of the changes: of a key that is among both the change counts.
    for (const lying of along?.records ?? []) writer.copied((along as Part).bytes, lying);
    changes.forEach((value, key) => {
      writer.record(key, value);
    });
    const from = segment.bytes;
    this.isTorn = true;
    await segment.append(writer.finish(end, segment.nonce));
    this.isTorn = false;
    const frame = frameAt(memory, from, segment.bytes, segment.nonce) as Frame;
    this.place(segment, memory, frame);
    this.last = checkpoint;
    if (along !== null) this.sweep?.taken(along.to);
  }

  /** The segment that has so much room. */
  private newest(room: number): Promise<Segment> | Segment {
    const newest = this.segments.at(-1) as Segment;
    const { memory, bytes } = newest;
    const fits = !this.isTorn && memory !== null && bytes + room <= memory.length;
    return fits ? newest : this.rotate(room + SEGMENT_HEAD_BYTES);
  }

  /** Begins the next segment. The one before stays in memory, the one before that gives its memory away. */
  private async rotate(bytesMin: number): Promise<Segment> {
    const { segments, directory, manifest } = this;
    const donor = segments.at(-2);
    const given = donor?.memory ?? null;
    const memory =
      given !== null && given.length >= bytesMin
        ? given
        : Buffer.allocUnsafeSlow(Math.max(this.segmentBytes, bytesMin));
    if (donor !== undefined) donor.memory = null;
    this.named += 1;
    const name = manifest.segmentName(this.named);
    const base = segments.at(-1)?.end ?? 0;
    const segment = await Segment.create(directory, { name, base, memory });
    await this.list([...segments, segment]);
    segments.push(segment);
    this.isTorn = false;
    return segment;
  }

  /** Of the oldest segment, while half of what is stored is waste, a part to be written again. */
  private async takenAlong(limit: number): Promise<Part | null> {
    const [oldest] = this.segments;
    if (this.sweep === null && oldest !== undefined && this.isWasteful()) {
      this.sweep = await Sweep.of(oldest, this.table);
    }
    return this.sweep?.next(limit) ?? null;
  }

  private isWasteful(): boolean {
    const { segments } = this;
    if (segments.length <= SEGMENTS_MIN) return false;
    let [bytes, live] = [0, 0];
    for (const segment of segments) {
      bytes += segment.bytes;
      live += segment.liveBytes;
    }
    return bytes > live * WASTE_MAX;
  }

  /** Lets go of the oldest segment once all that lived in it is written again. */
  private async dropSwept(): Promise<void> {
    const [oldest, ...others] = this.segments;
    if (oldest === undefined || !this.sweep?.isDone) return;
    this.sweep = null;
    await this.list(others);
    this.segments = others;
    await this.discard(oldest);
  }

  private async forgetAll(): Promise<void> {
    const gone = this.segments;
    this.segments = [];
    this.table.clear();
    this.last = null;
    this.sweep = null;
    await this.list([]);
    for (const segment of gone) await this.discard(segment);
  }

  private async discard(segment: Segment): Promise<void> {
    await segment.close();
    await rm(join(this.directory, segment.name), { force: true });
  }

  private list(segments: readonly Segment[]): Promise<void> {
    const last = segments.length - 1;
    return this.manifest.write({
      removedAtMs: this.removedAtMs,
      segments: segments.map(({ name, bytes }, at) => ({
        name,
        bytes: at === last ? null : bytes,
      })),
    });
  }

  private async noteRemovals(changes: StateChanges): Promise<void> {
    if (this.removedAtMs !== null) return;
    let removes = false;
    changes.forEach((value) => {
      removes ||= value === null;
    });
    if (!removes) return;
    this.removedAtMs = this.clock();
    await this.list(this.segments);
  }

  /** Throws: VIG_STORE_LOST, VIG_STORE_WRITE_FAILED. */
  private async whileOwned(change: () => Promise<void>): Promise<void> {
    const { directory } = this;
    if (!this.manifest.isOwned) throw new VigError("VIG_STORE_LOST", { directory });
    try {
      await change();
    } catch (thrown) {
      const why = messageOf(thrown);
      throw new VigError("VIG_STORE_WRITE_FAILED", { directory, why }, { cause: thrown });
    }
  }
}

const sizeOf = (keyBytes: number, valueBytes: number): number =>
  RECORD_HEAD_BYTES + keyBytes + (valueBytes === REMOVED ? 0 : valueBytes);

async function isUsable(directory: string, bootId: string, clock: Clock): Promise<boolean> {
  if (!(await isTrusted(directory, bootId))) return false;
  if (!(await isClosed(directory))) return true;
  const removedAtMs = (await manifestIn(directory))?.removedAtMs ?? null;
  return removedAtMs === null || removedAtMs > clock() - REMOVED_KEPT_MS;
}
