/** How far a store is: everything up to these offsets is in it, nothing behind them. */
export interface Checkpoint {
  readonly clusterId: string;
  /** The next offset of the changelog partition that is not in the store. */
  readonly changelogOffset: number;
  /** The next offset of each input (catalogue name) whose effects are not in the store. */
  readonly inputOffsets: Readonly<Record<string, number>>;
  /** When it was written, ms since the epoch. */
  readonly writtenAtMs: number;
}

/** The new envelope of a key, or null to forget it. */
export type StateChanges = ReadonlyMap<string, Buffer | null>;

export interface DueKey {
  readonly key: string;
  readonly wakeAtMs: number;
}

/**
 * The states of one task: key → envelope. One writer; `write` is all or nothing together with its checkpoint.
 * Keys are at most KEY_BYTES_MAX bytes of UTF-8.
 */
export interface StateStore {
  /** The envelope as last written, the caller's to keep and not to change. undefined: none. */
  get(key: string): Uint8Array | undefined;
  /** Resolves when reads see it. Rejects with VIG_STORE_LOST when another owner has opened the store since. */
  write(changes: StateChanges, checkpoint: Checkpoint): Promise<void>;
  checkpoint(): Checkpoint | null;
  /** Keys whose wake time is at or before `untilMs`, earliest first, at most `limit`. Not during a write. */
  due(untilMs: number, limit: number): DueKey[];
  /** No key is due before this; null when none ever will be. May be earlier than the truth. */
  nextWakeMs(): number | null;
  /**
   * Keys of records that begin with `prefix`, behind `after` (null: from the first), at most `limit`, in the
   * store's own order, which never changes.
   */
  keysFrom(prefix: string, after: string | null, limit: number): string[];
  /** Every key with its envelope, in no given order. For checks and tests: it reads everything. */
  entries(): Iterable<[string, Uint8Array]>;
  /** Forgets everything, the checkpoint too. */
  clear(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Keys that begin so are not those of records: admission refuses them. U+0001 is no part of any catalogue key, and
 * one byte in UTF-8.
 */
export const RESERVED_KEY = "\u0001";
/** What an aggregate's key is stored under. */
export const aggregateKey = (key: string): string => `${RESERVED_KEY}a${key}`;
/** How far changes of a global table came; see sweeps.ts. */
export const sweepKey = (table: string): string => `${RESERVED_KEY}s${table}`;
export const isReservedKey = (key: string): boolean => key.startsWith(RESERVED_KEY);

/** LMDB's limit with 4 KiB pages is 1,978 bytes; a catalogue key is 193 characters (tenant, bar, user). */
export const KEY_BYTES_MAX = 1_024;
