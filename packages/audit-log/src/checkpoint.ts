import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import {
  decodeBase64,
  type Note,
  type NoteSigner,
  openNote,
  parseSignatures,
  signatureLine,
  type Verified,
  type VerifierKey,
  verifySignature,
} from "./note.ts";
import { HASH_BYTES } from "./tree.ts";

/** A signed tree head. Source: C2SP tlog-checkpoint v1.0.0. */
export interface Checkpoint {
  /** The name of the log. */
  readonly origin: string;
  /** Leaves. */
  readonly size: bigint;
  readonly root: Buffer;
}

/** Sizes are uint64 wherever transparency logs are spoken of. */
const SIZE_MAX = 2n ** 64n - 1n;

/** The text of a checkpoint's note. Throws: VIG_INVARIANT unless it is one that parseCheckpoint reads. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  const text = `${origin}\n${size}\n${root.toString("base64")}\n`;
  const read = faultOf(text);
  assert(typeof read !== "string" && read.origin === origin, "a checkpoint can be read again");
  return text;
}

/**
 * The checkpoint of a note's text; extension lines are allowed and left out.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is malformed.
 */
export function parseCheckpoint(text: string): Checkpoint {
  const read = faultOf(text);
  if (typeof read === "string") throw new VigError("VIG_AUDIT_NOTE_INVALID", { why: read });
  return read;
}

/** The checkpoint, or what is wrong with its text. */
function faultOf(text: string): Checkpoint | string {
  const lines = text.slice(0, -1).split("\n");
  const [origin = "", digits = "", hash = ""] = lines;
  if (!text.endsWith("\n") || lines.length < 3 || lines.includes("")) {
    return "a checkpoint has an origin, a size and a root, and no empty line";
  }
  const size = parseSize(digits);
  if (size === null) return "its size is no decimal number";
  const root = decodeBase64(hash);
  return root?.length === HASH_BYTES ? { origin, size, root } : "its root is no SHA-256 in base64";
}

/** A size as checkpoints and witnesses write it: decimal, without leading zeros; null for another text. */
export function parseSize(digits: string): bigint | null {
  if (!/^(0|[1-9]\d{0,19})$/.test(digits)) return null;
  const size = BigInt(digits);
  return size <= SIZE_MAX ? size : null;
}

export type OpenedCheckpoint = Checkpoint & Note & { readonly verified: readonly Verified[] };

/**
 * A checkpoint with a signature that can be trusted.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is malformed or of another origin; VIG_AUDIT_NOTE_UNTRUSTED as openNote.
 */
export function openCheckpoint(
  note: string | Uint8Array,
  trusted: { readonly origin: string; readonly keys: readonly VerifierKey[] },
): OpenedCheckpoint {
  const opened = openNote(note, trusted.keys);
  const checkpoint = parseCheckpoint(opened.text);
  if (checkpoint.origin !== trusted.origin) {
    throw new VigError("VIG_AUDIT_NOTE_INVALID", { why: `it is of ${checkpoint.origin}` });
  }
  return { ...opened, ...checkpoint };
}

/**
 * A witness's line for the text of a checkpoint: that at `timeS` (s since the epoch) this was the largest tree that it
 * knew, consistent with all that it had seen before.
 * Throws: VIG_AUDIT_NOTE_INVALID if the text is no checkpoint; VIG_INVARIANT for a signer of another type, or a time of 0.
 * Source: C2SP tlog-cosignature; tlog-witness forbids a time of 0.
 */
export function cosign(text: string, signer: NoteSigner, timeS: bigint): string {
  parseCheckpoint(text);
  assert(signer.key.type === "cosignature" && timeS > 0n, "a witness cosigns, and says when");
  return signatureLine(signer, text, timeS);
}

/** Of the lines that a witness answered, the one with its valid cosignature of the text; null if there is none. */
export function verifyCosignature(
  text: string,
  lines: string,
  witness: VerifierKey,
): { readonly line: string; readonly timeS: bigint } | null {
  for (const line of lines.split(/(?<=\n)/)) {
    const [parsed] = readLine(line);
    const verified = parsed === undefined ? null : verifySignature(text, parsed, witness);
    const timeS = verified?.timeS ?? 0n;
    if (verified !== null && timeS > 0n) return { line: verified.line, timeS };
  }
  return null;
}

function readLine(line: string): ReturnType<typeof parseSignatures> {
  try {
    return parseSignatures(line);
  } catch {
    return []; // A line that cannot be read is none of this witness.
  }
}
