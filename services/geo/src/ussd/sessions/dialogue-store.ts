import type { Screen, State } from "../machine/types.ts";

/** A dialogue between two callbacks. Holds no phone, no user and nothing that was typed. */
export interface Kept {
  /** Grows by one with every change. */
  readonly version: number;
  /** Mark before anything was typed: whose dialogue it is. See marks.ts. */
  readonly first: string;
  /** Steps typed so far, and their mark. */
  readonly steps: number;
  readonly mark: string;
  /** The same before the last callback, by which a repeat of that one is known. */
  readonly stepsBefore: number;
  readonly markBefore: string;
  /** What the last callback was answered. Null: none has been answered yet. */
  readonly answered: { readonly state: State; readonly screen: Screen } | null;
  /** When that was; 0: never. Milliseconds since the epoch. */
  readonly answeredAtMs: number;
  /** A callback is being answered, until then at most; 0: none is. Milliseconds since the epoch. */
  readonly busyUntilMs: number;
}

export interface Lifetimes {
  /** A dialogue that is silent for so long is forgotten. */
  readonly idleMs: number;
  /** For so long its id opens no other one. At least `idleMs`. */
  readonly usedMs: number;
}

/** Dialogues by name. Throws: VIG_REDIS_AWAY. */
export interface DialogueStore {
  /** `over`: there was one, and it is forgotten. Null: never heard of. */
  read(name: string): Promise<Kept | "over" | null>;
  /**
   * Keeps `next` if the dialogue still has the version before it; version 1 if there never was one.
   * Returns: whether it was kept.
   */
  swap(name: string, next: Kept): Promise<boolean>;
}
