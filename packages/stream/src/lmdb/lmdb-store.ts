import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Clock } from "@vigie/core/time";
import { type Database, getLastVersion, open, type RootDatabase } from "lmdb";
import { wakeOf } from "../state/envelope.ts";
import { type OpenMarker, syncFile } from "../state/open-marker.ts";
import {
  type Checkpoint,
  type DueKey,
  isReservedKey,
  type StateChanges,
  type StateStore,
} from "../state/store.ts";
import { type FolderKind, type FolderOptions, takeFolder } from "../state/store-folder.ts";
import { DATA_FILE, isDatabase } from "./data-file.ts";

interface Databases {
  readonly root: RootDatabase<Buffer, string>;
  /** key → envelope; an entry's version is the time that the wake index holds for it, 0 for none. */
  readonly states: Database<Buffer, string>;
  /** [time, key] → nothing. */
  readonly wakes: Database<Buffer, [number, string]>;
  readonly meta: Database<Buffer, string>;
}

const NOTHING = Buffer.alloc(1);
const OWNER = "owner";
const CHECKPOINT = "checkpoint";
/** Holds the time of the first removal. */
const REMOVED = "removed";
const KIND: FolderKind = { name: "lmdb", isReadable: isDatabase, removedAtMs: removedIn };

/**
 * A task's states on disk. One LMDB transaction a commit, carried out by LMDB's own thread, not flushed: see
 * open-marker.ts. The wake index is lazy: an entry stays where it is while its state's wake time moves away from
 * it, and is put right when it falls due; so a session that is seen often costs no index write.
 */
export class LmdbStore implements StateStore {
  private readonly db: Databases;
  private readonly marker: OpenMarker;
  private readonly directory: string;
  private readonly clock: Clock;
  private hasRemoved: boolean;
  /** Every opener takes a number of its own; a write by an earlier opener then finds another one, and fails. */
  private readonly owner: number;

  private constructor(
    db: Databases,
    place: { marker: OpenMarker; directory: string; clock: Clock },
    owner: number,
  ) {
    this.db = db;
    this.marker = place.marker;
    this.directory = place.directory;
    this.clock = place.clock;
    this.hasRemoved = removedAtMs(db) !== null;
    this.owner = owner;
  }

  /** Opens the store in `directory`; what cannot be trusted, or is none, is thrown away and begun anew. */
  static async open(directory: string, options: FolderOptions = {}): Promise<LmdbStore> {
    const { clock = Date.now } = options;
    const marker = await takeFolder(directory, KIND, options);
    const owner = randomBytes(6).readUIntBE(0, 6) + 1;
    const db = openDatabases(directory);
    // A reader that was killed would keep its pages from being used again.
    db.root.readerCheck();
    await db.meta.put(OWNER, NOTHING, owner);
    return new LmdbStore(db, { marker, directory, clock }, owner);
  }

  get(key: string): Uint8Array | undefined {
    const bytes = this.db.states.getBinaryFast(key);
    if (bytes === undefined) return undefined;
    // LMDB reads into one buffer, longer than its `length` says.
    const own = Buffer.allocUnsafe(bytes.length);
    bytes.copy(own, 0, 0, bytes.length);
    return own;
  }

  async write(changes: StateChanges, checkpoint: Checkpoint): Promise<void> {
    const { meta } = this.db;
    const bytes = Buffer.from(JSON.stringify(checkpoint));
    await this.whileOwned(() => {
      changes.forEach((envelope, key) => {
        if (envelope === null && !this.hasRemoved) this.noteRemoval();
        this.change(key, envelope);
      });
      void meta.put(CHECKPOINT, bytes);
    });
  }

  checkpoint(): Checkpoint | null {
    const bytes = this.db.meta.getBinary(CHECKPOINT);
    return bytes === undefined ? null : (JSON.parse(bytes.toString()) as Checkpoint);
  }

  due(untilMs: number, limit: number): DueKey[] {
    const due: DueKey[] = [];
    const stale: { atMs: number; key: string; wakeAtMs: number | null }[] = [];
    for (const [atMs, key] of this.db.wakes.getKeys({ limit })) {
      if (atMs > untilMs) break;
      const envelope = this.db.states.getBinaryFast(key);
      const wakeAtMs = envelope === undefined ? null : wakeOf(envelope);
      if (wakeAtMs !== null && wakeAtMs <= untilMs) due.push({ key, wakeAtMs });
      else stale.push({ atMs, key, wakeAtMs });
    }
    if (stale.length > 0) this.reindex(stale);
    return due;
  }

  nextWakeMs(): number | null {
    for (const [atMs] of this.db.wakes.getKeys({ limit: 1 })) return atMs;
    return null;
  }

  keysFrom(prefix: string, after: string | null, limit: number): string[] {
    const found: string[] = [];
    for (const key of this.db.states.getKeys({ start: after ?? prefix })) {
      if (found.length >= limit || !key.startsWith(prefix)) break;
      if (key !== after && !isReservedKey(key)) found.push(key);
    }
    return found;
  }

  *entries(): Iterable<[string, Uint8Array]> {
    for (const { key, value } of this.db.states.getRange()) yield [key, value];
  }

  async clear(): Promise<void> {
    const { states, wakes, meta } = this.db;
    await this.whileOwned(() => {
      void states.clearAsync();
      void wakes.clearAsync();
      void meta.remove(CHECKPOINT);
    });
  }

  async close(): Promise<void> {
    await this.db.root.committed;
    await this.db.root.close();
    await syncFile(join(this.directory, DATA_FILE));
    await this.marker.clear();
  }

  /** One transaction, or nothing when somebody else has opened the store since. */
  private async whileOwned(writes: () => void): Promise<void> {
    const { directory } = this;
    let written: boolean;
    try {
      written = await this.db.meta.ifVersion(OWNER, this.owner, writes);
    } catch (thrown) {
      const why = messageOf(thrown);
      throw new VigError("VIG_STORE_WRITE_FAILED", { directory, why }, { cause: thrown });
    }
    if (!written) throw new VigError("VIG_STORE_LOST", { directory });
  }

  private noteRemoval(): void {
    this.hasRemoved = true;
    void this.db.meta.put(REMOVED, Buffer.from(String(this.clock())));
  }

  private change(key: string, envelope: Buffer | null): void {
    const { states, wakes } = this.db;
    const indexedMs = states.getBinaryFast(key) === undefined ? 0 : getLastVersion();
    if (envelope === null) {
      if (indexedMs > 0) void wakes.remove([indexedMs, key]);
      void states.remove(key);
      return;
    }
    const wakeAtMs = wakeOf(envelope);
    if (wakeAtMs === null || (indexedMs > 0 && indexedMs <= wakeAtMs)) {
      void states.put(key, envelope, indexedMs);
      return;
    }
    assert(wakeAtMs > 0, "a wake time lies after 1970");
    if (indexedMs > 0) void wakes.remove([indexedMs, key]);
    void wakes.put([wakeAtMs, key], NOTHING);
    void states.put(key, envelope, wakeAtMs);
  }

  private reindex(stale: readonly { atMs: number; key: string; wakeAtMs: number | null }[]): void {
    const { root, states, wakes } = this.db;
    root.transactionSync(() => {
      for (const { atMs, key, wakeAtMs } of stale) {
        wakes.removeSync([atMs, key]);
        const envelope = states.getBinary(key);
        if (envelope === undefined) continue;
        if (wakeAtMs !== null) wakes.putSync([wakeAtMs, key], NOTHING);
        states.putSync(key, envelope, wakeAtMs ?? 0);
      }
    });
  }
}

function removedAtMs({ meta }: Databases): number | null {
  const bytes = meta.getBinary(REMOVED);
  return bytes === undefined ? null : Number(bytes.toString());
}

/** When something was removed first from the store that lies here, if one does. */
async function removedIn(directory: string): Promise<number | null> {
  if (!existsSync(join(directory, DATA_FILE))) return null;
  const db = openDatabases(directory);
  const atMs = removedAtMs(db);
  await db.root.close();
  return atMs;
}

function openDatabases(directory: string): Databases {
  const root = open<Buffer, string>({
    path: directory,
    maxDbs: 4,
    encoding: "binary",
    // Flushing at every commit would cost more than rebuilding a store after a crash of the machine.
    noSync: true,
    // Writes go into the mapped file: 3 µs a key where copies through write(2) take 5 to 9.
    useWritemap: true,
    noMemInit: true,
  });
  const binary = { encoding: "binary" } as const;
  return {
    root,
    states: root.openDB<Buffer, string>("states", { ...binary, useVersions: true }),
    wakes: root.openDB<Buffer, [number, string]>("wakes", binary),
    meta: root.openDB<Buffer, string>("meta", { ...binary, useVersions: true }),
  };
}
