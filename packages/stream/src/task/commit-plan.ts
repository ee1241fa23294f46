import type { Tally } from "../observer.ts";
import type { OutRecord } from "./record.ts";

/** What one transaction carries; the store takes the changelog part of it afterwards. */
export interface CommitPlan {
  readonly outputs: readonly OutRecord[];
  /** The newest envelope of each changed key, or null for a forgotten one. */
  readonly changelog: ReadonlyMap<string, Buffer | null>;
  /** Next offset of each input (catalogue name) that moved. */
  readonly offsets: readonly { readonly topic: string; readonly offset: number }[];
  readonly tally: Tally;
  /** Records written, by output name. */
  readonly emitted: Readonly<Record<string, number>>;
}
