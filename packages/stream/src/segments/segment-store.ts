import { messageOf, VigError } from "@vigie/core/errors";
import type { Clock } from "@vigie/core/time";
import type { OpenMarker } from "../state/open-marker.ts";
import {
  type Checkpoint,
  type DueKey,
  isReservedKey,
  type StateChanges,
  type StateStore,
} from "../state/store.ts";
import { type FolderKind, type FolderOptions, takeFolder } from "../state/store-folder.ts";
import { Contents, sizeOf } from "./contents.ts";
import {
  type Frame,
  FrameWriter,
  frameAt,
  frameRoom,
  recordRoom,
  SEGMENT_HEAD_BYTES,
} from "./frame.ts";
import { type Manifest, ManifestFile, manifestIn } from "./manifest.ts";
import { Segment } from "./segment.ts";
import { type Part, Sweep } from "./sweep.ts";

export interface SegmentStoreOptions extends FolderOptions {
  /** The newest two segments are in memory as well. Default 6 MiB. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 6 * 1024 * 1024;
/** For each byte that a write adds, so many of the oldest segment are looked through while there is waste. */
const SWEPT_A_BYTE = 4;
const KIND: FolderKind = {
  name: "log",
  isReadable: async () => true,
  removedAtMs: async (directory) => (await manifestIn(directory))?.removedAtMs ?? null,
};

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
  private readonly contents = new Contents();
  private named = 0;
  private removedAtMs: number | null;
  private sweep: Sweep | null = null;
  /** The last write failed: nobody knows what lies behind the end of its segment. */
  private isTorn = false;
  private isOpen = true;
  /** Resolves when all that was asked for is done, however it went. */
  private settled: Promise<void> = Promise.resolve();

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
    const marker = await takeFolder(directory, KIND, options);
    const { file: manifest, before } = await ManifestFile.takeOver(directory);
    const removedAtMs = before?.removedAtMs ?? null;
    const its = { manifest, marker, clock, segmentBytes, removedAtMs };
    const store = new SegmentStore(directory, its);
    try {
      await store.takeUp(before);
      return store;
    } catch (thrown) {
      await Promise.allSettled(store.contents.segments.map((segment) => segment.close()));
      throw thrown;
    }
  }

  get(key: string): Uint8Array | undefined {
    const { contents } = this;
    const slot = contents.table.find(key);
    return slot === -1 ? undefined : contents.valueAt(slot);
  }

  write(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    return this.whileOwned(async () => {
      await this.noteRemovals(changes);
      await this.append(changes, checkpoint);
      await this.dropSwept();
    });
  }

  checkpoint(): Checkpoint | null {
    return this.contents.checkpoint;
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
    for (const [key] of this.contents.table.entries()) {
      if (!key.startsWith(prefix) || isReservedKey(key)) continue;
      if ((after === null || key > after) && this.contents.holds(key)) found.push(key);
    }
    return found.sort().slice(0, limit);
  }

  *entries(): Iterable<[string, Uint8Array]> {
    const { contents } = this;
    for (const [key, slot] of contents.table.entries()) {
      const value = contents.valueAt(slot);
      if (value !== undefined) yield [key, value];
    }
  }

  clear(): Promise<void> {
    return this.whileOwned(() => this.forgetAll());
  }

  /** After what was asked for before; then nothing is written any more. */
  close(): Promise<void> {
    return this.inTurn(async () => {
      if (!this.isOpen) return;
      this.isOpen = false;
      const { segments } = this.contents;
      try {
        for (const segment of segments) await segment.flush();
        await this.manifest.flush();
      } finally {
        await Promise.all(segments.map((segment) => segment.close()));
      }
      await this.marker.clear();
    });
  }

  /** Begins where the owner before has ended; anew when that cannot be read. */
  private async takeUp(before: Manifest | null): Promise<void> {
    const { contents, directory, manifest } = this;
    const isWhole = before !== null && (await contents.load(directory, before.segments));
    if (!isWhole) await this.forgetAll();
    const last = contents.segments.at(-1);
    // What that owner may still be writing goes to a file of its own: so this one gets another. A short one is
    // copied, so that however often a store is opened, its segments are few and long.
    if (last === undefined || last.bytes * 2 > this.segmentBytes) await this.rotate(0);
    else {
      const memory = Buffer.allocUnsafeSlow(this.segmentBytes);
      const copy = await last.copy(directory, this.nextName(), memory);
      await this.adopt(contents.segments.slice(0, -1), copy);
      await last.close();
    }
    await manifest.forgetStrays(contents.segments.map(({ name }) => name));
  }

  private async append(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    const { contents } = this;
    const end = Buffer.from(JSON.stringify(checkpoint));
    let room = frameRoom(end);
    changes.forEach((value, key) => {
      room += recordRoom(key, value?.length ?? 0);
    });
    const along = await this.takenAlong(room * SWEPT_A_BYTE);
    for (const { keyBytes, valueBytes } of along?.records ?? []) {
      room += sizeOf(keyBytes, valueBytes);
    }
    const segment = await this.newest(room);
    const memory = segment.memory as Buffer;
    const writer = new FrameWriter(memory, segment.bytes);
    // In front of the changes: of a key that is among both the change counts.
    for (const lying of along?.records ?? []) writer.copied((along as Part).bytes, lying);
    changes.forEach((value, key) => {
      if (value !== null || contents.holds(key)) writer.record(key, value);
    });
    const from = segment.bytes;
    this.isTorn = true;
    await segment.append(writer.finish(end, segment.nonce));
    this.isTorn = false;
    const frame = frameAt(memory, from, segment.bytes, segment.nonce) as Frame;
    contents.place(segment, memory, frame);
    contents.checkpoint = checkpoint;
    // One frame filled it. What is so long is a part of a restore, which nobody reads soon.
    if (memory.length > this.segmentBytes) segment.memory = null;
    if (along !== null) this.sweep?.taken(along.to);
  }

  /** The segment that has so much room. */
  private newest(room: number): Promise<Segment> | Segment {
    const newest = this.contents.segments.at(-1);
    const memory = newest?.memory ?? null;
    if (newest === undefined || memory === null || this.isTorn) return this.rotate(room);
    return newest.bytes + room <= memory.length ? newest : this.rotate(room);
  }

  /** Begins the next segment. The one before stays in memory, the one before that gives its memory away. */
  private async rotate(room: number): Promise<Segment> {
    const { segments } = this.contents;
    const bytes = Math.max(this.segmentBytes, SEGMENT_HEAD_BYTES + room);
    const donor = segments.at(-2);
    const given = donor?.memory ?? null;
    if (donor !== undefined) donor.memory = null;
    const memory = given?.length === bytes ? given : Buffer.allocUnsafeSlow(bytes);
    const base = segments.at(-1)?.end ?? 0;
    const segment = await Segment.create(this.directory, { name: this.nextName(), base, memory });
    await this.adopt(segments, segment);
    this.isTorn = false;
    return segment;
  }

  private nextName(): string {
    this.named += 1;
    return this.manifest.segmentName(this.named);
  }

  /** Lists a segment behind those. */
  private async adopt(older: readonly Segment[], segment: Segment): Promise<void> {
    const segments = [...older, segment];
    try {
      await this.list(segments);
    } catch (thrown) {
      await this.discard(segment);
      throw thrown;
    }
    this.contents.segments = segments;
  }

  /** Of the oldest segment, while half of what is stored is waste, a part to be written again. */
  private async takenAlong(limit: number): Promise<Part | null> {
    const { segments, table, isWasteful } = this.contents;
    const [oldest] = segments;
    if (this.sweep === null && oldest !== undefined && isWasteful) {
      this.sweep = await Sweep.of(oldest, table);
    }
    return this.sweep?.next(limit) ?? null;
  }

  /** Lets go of the oldest segment once all that lived in it is written again. */
  private async dropSwept(): Promise<void> {
    const [oldest, ...others] = this.contents.segments;
    if (oldest === undefined || !this.sweep?.isDone) return;
    await this.list(others);
    this.sweep = null;
    this.contents.segments = others;
    await this.discard(oldest);
  }

  private async forgetAll(): Promise<void> {
    const gone = this.contents.segments;
    await this.list([]);
    this.contents.clear();
    this.sweep = null;
    await Promise.all(gone.map((segment) => this.discard(segment)));
  }

  private async discard(segment: Segment): Promise<void> {
    try {
      this.manifest.forget(segment.name);
    } finally {
      await segment.close();
    }
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
    changes.forEach((value, key) => {
      removes ||= value === null && this.contents.holds(key);
    });
    if (!removes) return;
    this.removedAtMs = this.clock();
    try {
      await this.list(this.contents.segments);
    } catch (thrown) {
      this.removedAtMs = null;
      throw thrown;
    }
  }

  /** Throws: VIG_STORE_LOST, VIG_STORE_WRITE_FAILED. */
  private whileOwned(change: () => Promise<void>): Promise<void> {
    return this.inTurn(async () => {
      const { directory } = this;
      if (!this.isOpen || !this.manifest.isOwned)
        throw new VigError("VIG_STORE_LOST", { directory });
      try {
        await change();
      } catch (thrown) {
        const why = messageOf(thrown);
        throw new VigError("VIG_STORE_WRITE_FAILED", { directory, why }, { cause: thrown });
      }
    });
  }

  /** One after the other: a restore that was broken off may still be writing when the next one begins. */
  private inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.settled.then(work);
    this.settled = done.catch(() => undefined);
    return done;
  }
}
