import { assert } from "@vigie/core/assert";
import type { StateCodec } from "../codec.ts";
import { openState, sealState } from "../state/envelope.ts";
import { KEY_BYTES_MAX, type StateStore } from "../state/store.ts";
import { EntryTable } from "./entry-table.ts";

/** What the overlay must know of a processor: its codec and when a state wants to be woken. */
export interface StateKind<S> {
  readonly codec: StateCodec<S>;
  /** What the store's keys begin with, before those of the entries. */
  readonly prefix: string;
  wakeAtMs(state: S): number | null;
}

/** A key's state as the next record sees it. */
export interface Entry<S> {
  readonly key: string;
  state: S | null;
  /** It changed since the last `seal`. */
  dirty: boolean;
  /** A commit under way carries it. */
  flying: boolean;
}

/**
 * The states of a task: what changed since the last commit and what the commit under way carries, both always in
 * memory; the states used last, bounded; the store for the rest. States are values: a processor returns a new one
 * and never changes one in place.
 * Bounded by two generations instead of a linked list: an entry that is used moves to the young one; when a commit
 * has landed and that is full, the old one is let go of. One look-up a record is what this costs.
 */
export class StateOverlay<S> {
  private readonly kind: StateKind<S>;
  private readonly store: StateStore;
  private readonly generationMax: number;
  private young = new EntryTable<Entry<S>>();
  private old = new EntryTable<Entry<S>>();
  private dirty: Entry<S>[] = [];
  private flying: Entry<S>[] = [];

  constructor(kind: StateKind<S>, store: StateStore, cacheEntriesMax: number) {
    this.kind = kind;
    this.store = store;
    this.generationMax = Math.floor(cacheEntriesMax / 2);
  }

  entry(key: string): Entry<S> {
    const young = this.young.get(key);
    if (young !== undefined) return young;
    const found = this.old.get(key) ?? {
      key,
      state: this.read(key),
      dirty: false,
      flying: false,
    };
    this.young.add(found);
    return found;
  }

  put(entry: Entry<S>, state: S | null): void {
    entry.state = state;
    if (entry.dirty) return;
    entry.dirty = true;
    this.dirty.push(entry);
  }

  /** Adds the changes since the last call, each key once, encoded. Call `landed` when they are in the store. */
  seal(changes = new Map<string, Buffer | null>()): Map<string, Buffer | null> {
    assert(this.flying.length === 0, "one commit is in flight at a time");
    for (const entry of this.dirty) {
      const key = this.kind.prefix + entry.key;
      changes.set(key, entry.state === null ? null : this.envelopeOf(key, entry.state));
      entry.dirty = false;
      entry.flying = true;
    }
    this.flying = this.dirty;
    this.dirty = [];
    return changes;
  }

  /** Keys with this prefix whose states are not in the store yet as they are here. */
  unsettled(prefix: string): string[] {
    const keys = [...this.dirty, ...this.flying].map(({ key }) => key);
    return [...new Set(keys)].filter((key) => key.startsWith(prefix));
  }

  landed(): void {
    for (const entry of this.flying) entry.flying = false;
    this.flying = [];
    if (this.young.size >= this.generationMax) this.age();
  }

  /** All that is let go of is in the store: what changed since the last `seal` was used since, and is young. */
  private age(): void {
    const { old } = this;
    old.clear();
    this.old = this.young;
    this.young = old;
    if (this.generationMax > 0) return;
    this.old.clear();
    for (const entry of this.dirty) this.old.add(entry);
  }

  private envelopeOf(key: string, state: S): Buffer {
    assert(
      key.length * 3 <= KEY_BYTES_MAX || Buffer.byteLength(key) <= KEY_BYTES_MAX,
      "a state's key fits the store",
    );
    return sealState(this.kind.codec, state, this.kind.wakeAtMs(state));
  }

  private read(key: string): S | null {
    const sealed = this.store.get(this.kind.prefix + key);
    return sealed === undefined ? null : openState(this.kind.codec, sealed);
  }
}
