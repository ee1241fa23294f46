import type { SignedCheckpoint } from "./keys.ts";

/**
 * Somewhere that signed checkpoints are kept. All places together are the fence: a tree must hold what any of them
 * has, so a place that lost its own weakens the fence and opens nothing.
 */
export interface Place {
  readonly name: "topic" | "file" | "database";
  /** The newest note of this log; null: there is none. Throws: what is away. */
  newest(): Promise<string | null>;
  /** Resolves once it is durable; the same one again changes nothing. Throws: what is away. */
  keep(checkpoint: SignedCheckpoint): Promise<void>;
}

/** The place by which signers are told apart: of several, the one that claimed last is the only one that can add. */
export interface SharedPlace extends Place {
  /** From then on nothing that an earlier signer has under way can be added any more. Waits while the broker is away. */
  claim(): Promise<void>;
  /** Gives up what is under way. */
  close(): Promise<void>;
}
