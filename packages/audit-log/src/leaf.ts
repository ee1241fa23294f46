import { canonicalJson } from "@vigie/core/canonical-json";
import { VigError } from "@vigie/core/errors";
import type { SealedBox } from "./box.ts";

/** What an entry bundle can hold. Source: C2SP tlog-tiles, the length before an entry is a uint16. */
export const LEAF_BYTES_MAX = 65_535;

/**
 * One action as the log holds it. Names and order of members do not matter: the leaf's data is their canonical JSON.
 * Persons stand in it only as `ref`, a random UUID of theirs; what is known of them is in their box.
 */
export interface Leaf {
  readonly v: 1;
  readonly id: string;
  readonly tenant: string;
  /** When it happened, at the source. ms since the epoch. */
  readonly at: number;
  /** The broker's time of the record, never that of a service. ms since the epoch. */
  readonly recorded_at: number;
  readonly source: LeafSource;
  readonly emitter: string;
  readonly seq: number;
  readonly action: string;
  readonly actor: LeafActor;
  /** ref of the person who acted as another one. */
  readonly impersonator: string | null;
  /** ref of the person whom it is about. */
  readonly subject: string | null;
  readonly impersonated: string | null;
  readonly is_impersonation: boolean;
  readonly digest: string;
  /** In clear: of actions that are about no person, since evidence of them outlives an administrator's erasure. */
  readonly payload?: unknown;
  /** Where the payload did not fit: it is kept sealed aside. */
  readonly payload_aside?: { readonly commitment: string; readonly bytes: number };
  /** One a person, sorted by ref. */
  readonly boxes: readonly LeafBox[];
}

/** Where the record lay. */
export interface LeafSource {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** A person by ref; a service or a policy by its id. */
export type LeafActor =
  | { readonly type: string; readonly ref: string }
  | { readonly type: string; readonly id: string };

export type LeafBox = SealedBox & { readonly ref: string };

/** The leaf's data: what is hashed, stored and exported. UTF-8 of canonical JSON (RFC 8785). */
export const leafBytes = (leaf: Leaf): Buffer => Buffer.from(canonicalJson(leaf));

/**
 * The leaf of its data.
 * Throws: VIG_AUDIT_LEAF_INVALID unless the bytes are those that leafBytes makes of it.
 */
export function parseLeaf(bytes: Uint8Array): Leaf {
  let leaf: Leaf;
  try {
    leaf = JSON.parse(Buffer.from(bytes).toString()) as Leaf;
    // Compared as bytes: text would hide what is no UTF-8.
    if (!leafBytes(leaf).equals(bytes)) throw new TypeError("other bytes");
  } catch (cause) {
    throw invalid("it is no canonical JSON", cause);
  }
  const fault = faultOf(leaf);
  if (fault !== null) throw invalid(fault);
  return leaf;
}

/** Only what a reader relies on: the rest is the writer's, and the tree says that it is unchanged. */
function faultOf(leaf: Leaf): string | null {
  if (leaf === null || typeof leaf !== "object") return "it is no object";
  if (leaf.v !== 1) return `its version is ${String(leaf.v)}`;
  if (typeof leaf.id !== "string" || typeof leaf.tenant !== "string") return "it names no event";
  return Array.isArray(leaf.boxes) ? null : "it has no boxes";
}

const invalid = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_AUDIT_LEAF_INVALID", { why }, { cause });
