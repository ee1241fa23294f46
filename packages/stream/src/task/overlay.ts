import { assert } from "@vigie/core/assert";
import type { StateCodec } from "../codec.ts";
import { openEnvelope, sealEnvelope } from "../state/envelope.ts";
import { ObjectCache } from "../state/object-cache.ts";
import { KEY_BYTES_MAX, type StateStore } from "../state/store.ts";

/** What the overlay must know of a processor: its codec and when a state wants to be woken. */
export interface StateKind<S> {
  readonly codec: StateCodec<S>;
  wakeAtMs(state: S): number | null;
}

/**
 * The states of a task as its next record sees them: what changed since the last commit, over what the commit in
 * flight carries, over the store. States are values: a processor returns a new one and never changes one in place.
 */
export class StateOverlay<S> {
  private readonly kind: StateKind<S>;
  private readonly store: StateStore;
  private readonly cache: ObjectCache<S>;
  private dirty = new Map<string, S | null>();
  private flying: ReadonlyMap<string, S | null> | null = null;

  constructor(kind: StateKind<S>, store: StateStore, cacheEntriesMax: number) {
    this.kind = kind;
    this.store = store;
    this.cache = new ObjectCache(cacheEntriesMax);
  }

  /** Keys that changed since the last `seal`. */
  get dirtyCount(): number {
    return this.dirty.size;
  }

  get(key: string): S | null {
    const cached = this.cache.get(key);
    if (cached !== undefined) return cached;
    const changed = this.dirty.get(key) ?? (this.dirty.has(key) ? null : undefined);
    if (changed !== undefined) return changed;
    const leaving = this.flying?.get(key) ?? (this.flying?.has(key) ? null : undefined);
    const state = leaving !== undefined ? leaving : this.read(key);
    this.cache.set(key, state);
    return state;
  }

  /** A key that changed since the last `seal`, or whose change is being committed. */
  isUnsettled(key: string): boolean {
    return this.dirty.has(key) || (this.flying?.has(key) ?? false);
  }

  put(key: string, state: S | null): void {
    this.dirty.set(key, state);
    this.cache.set(key, state);
  }

  /** The changes since the last call, each key once, encoded. Call `landed` when they are in the store. */
  seal(): Map<string, Buffer | null> {
    assert(this.flying === null, "one commit is in flight at a time");
    const { codec } = this.kind;
    const changes = new Map<string, Buffer | null>();
    for (const [key, state] of this.dirty) {
      changes.set(key, state === null ? null : this.envelopeOf(key, state, codec));
    }
    this.flying = this.dirty;
    this.dirty = new Map();
    return changes;
  }

  landed(): void {
    this.flying = null;
  }

  private envelopeOf(key: string, state: S, codec: StateCodec<S>): Buffer {
    assert(
      key.length * 3 <= KEY_BYTES_MAX || Buffer.byteLength(key) <= KEY_BYTES_MAX,
      "a state's key fits the store",
    );
    return sealEnvelope(codec.encode(state), codec.version, this.kind.wakeAtMs(state));
  }

  private read(key: string): S | null {
    const sealed = this.store.get(key);
    if (sealed === undefined) return null;
    const { bytes, version } = openEnvelope(sealed);
    return this.kind.codec.decode(bytes, version);
  }
}
