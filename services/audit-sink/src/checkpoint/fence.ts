import { EMPTY_FRONTIER, type Frontier, rootOf } from "@vigie/audit-log/tree";
import { messageOf, VigError } from "@vigie/core/errors";
import { openSigned, type SignedCheckpoint, type TrustedKeys } from "./keys.ts";
import type { Place } from "./place.ts";
import { frontierAt, type LogTree } from "./tree.ts";

/** What a place has. */
export interface Held {
  readonly where: Place["name"];
  readonly checkpoint: SignedCheckpoint | null;
}

/** The newest checkpoint of all places, and the tree at its size; null: nothing was ever signed. */
export interface Fence {
  readonly checkpoint: SignedCheckpoint | null;
  readonly frontier: Frontier;
}

/**
 * Throws: VIG_AUDIT_FENCE_UNREADABLE for a checkpoint that cannot be trusted: it may stand in front of a newer one; what
 * is away.
 */
export async function readHeld(
  places: readonly Pick<Place, "name" | "newest">[],
  keys: TrustedKeys,
): Promise<Held[]> {
  const held: Held[] = [];
  for (const place of places) {
    const note = await place.newest();
    held.push({ where: place.name, checkpoint: note === null ? null : open(note, place, keys) });
  }
  return held;
}

function open(note: string, { name }: Pick<Place, "name">, keys: TrustedKeys): SignedCheckpoint {
  try {
    return openSigned(note, keys);
  } catch (cause) {
    const why = messageOf(cause);
    throw new VigError("VIG_AUDIT_FENCE_UNREADABLE", { where: name, why }, { cause });
  }
}

/**
 * That the tree holds every checkpoint that is kept anywhere.
 * Throws: VIG_AUDIT_TREE_BEHIND, VIG_AUDIT_FORKED; what is away.
 */
export async function holdAgainst(tree: LogTree, held: readonly Held[]): Promise<Fence> {
  const head = await tree.head();
  let fence: Fence = { checkpoint: null, frontier: EMPTY_FRONTIER };
  for (const { where, checkpoint } of held) {
    if (checkpoint === null) continue;
    const { size, root } = checkpoint;
    if (head.size < size) throw behind(head.size, checkpoint, where);
    const frontier = await frontierAt(size, tree.nodes);
    if (!rootOf(frontier).equals(root)) throw forked(size, where);
    if (fence.checkpoint === null || size > fence.checkpoint.size) fence = { checkpoint, frontier };
  }
  return fence;
}

export const behind = (size: bigint, signed: SignedCheckpoint, where: string): VigError =>
  new VigError("VIG_AUDIT_TREE_BEHIND", { size: String(size), signed: String(signed.size), where });

export const forked = (size: bigint, where: string): VigError =>
  new VigError("VIG_AUDIT_FORKED", { size: String(size), where });

/** Faults of the log itself: no retry heals them, and nothing may be appended meanwhile. */
const BROKEN = new Set(["VIG_AUDIT_TREE_BEHIND", "VIG_AUDIT_FORKED", "VIG_AUDIT_FENCE_UNREADABLE"]);

export const isBroken = (error: unknown): error is VigError =>
  error instanceof VigError && BROKEN.has(error.code);
