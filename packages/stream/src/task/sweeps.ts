import { assert } from "@vigie/core/assert";
import type { StateCodec } from "../codec.ts";
import type { AnyProcessor } from "../processor.ts";
import { type StateStore, sweepKey } from "../state/store.ts";
import { StateOverlay } from "./overlay.ts";

/** An entry of a global table was written, or removed, at this offset of its topic. */
export interface GlobalChange {
  readonly key: string;
  readonly offset: number;
}

/** The oldest change of a table behind an offset, only the newest of each entry; null: none. */
export type ChangeAfter = (table: string, offset: number) => GlobalChange | null;

/** How far the changes of one table have reached the states of a partition; stored beside them. */
interface Progress {
  /** Changes up to this offset have reached every state that they concern. */
  readonly done: number;
  /** The offset of the change that is under way, and the last key that it has reached. */
  readonly at: number;
  readonly cursor: string | null;
}

const NOT_BEGUN: Progress = { done: -1, at: -1, cursor: null };

const progressCodec: StateCodec<unknown> = {
  version: 1,
  encode: (progress) => Buffer.from(JSON.stringify(progress)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Progress,
};

/**
 * Carries changes of global tables to the states that they concern: change after change, in the order of the keys
 * in the store, some keys at a time. How far it came is committed with what it brought about, so that a new owner
 * goes on from there.
 */
export class Sweeps {
  private readonly tables: readonly (readonly [string, (key: string) => string])[];
  private readonly store: StateStore;
  private readonly changeAfter: ChangeAfter;
  private readonly progress: StateOverlay<unknown>;

  constructor({ globals }: AnyProcessor, store: StateStore, changeAfter: ChangeAfter) {
    this.tables = Object.entries(globals).flatMap(([name, { wakes }]) =>
      wakes === undefined ? [] : [[name, wakes] as const],
    );
    this.store = store;
    this.changeAfter = changeAfter;
    const kind = { codec: progressCodec, prefix: "", wakeAtMs: () => null };
    this.progress = new StateOverlay(kind, store, 2 * this.tables.length);
  }

  get pending(): boolean {
    return this.tables.some(([table]) => this.changeAfter(table, this.of(table).done) !== null);
  }

  /**
   * The next keys to be woken, `limit` at most besides `unsettled`: states that are on their way to the store, which
   * a look into it would miss. From then on they count as reached.
   */
  next(limit: number, unsettled: (prefix: string) => readonly string[]): readonly string[] {
    const found: string[] = [];
    // A change that concerns nobody costs a look into the store, too.
    let looks = 0;
    for (const [table, prefixOf] of this.tables) {
      for (; found.length < limit && looks < limit; looks++) {
        const progress = this.of(table);
        const change = this.changeAfter(table, progress.done);
        if (change === null) break;
        const prefix = prefixOf(change.key);
        const begun = progress.at === change.offset;
        if (!begun) found.push(...unsettled(prefix));
        const asked = Math.max(1, limit - found.length);
        const keys = this.store.keysFrom(prefix, begun ? progress.cursor : null, asked);
        found.push(...keys);
        const last = keys.at(-1);
        this.note(
          table,
          keys.length < asked || last === undefined
            ? { done: change.offset, at: -1, cursor: null }
            : { done: progress.done, at: change.offset, cursor: last },
        );
      }
    }
    return found;
  }

  seal(changes: Map<string, Buffer | null>): void {
    this.progress.seal(changes);
  }

  landed(): void {
    this.progress.landed();
  }

  private of(table: string): Progress {
    return (this.progress.entry(sweepKey(table)).state ?? NOT_BEGUN) as Progress;
  }

  private note(table: string, progress: Progress): void {
    assert(progress.done >= this.of(table).done, "a sweep goes forward");
    this.progress.put(this.progress.entry(sweepKey(table)), progress);
  }
}
