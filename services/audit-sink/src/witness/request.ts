import { parseSize } from "@vigie/audit-log/checkpoint";
import { decodeBase64, NOTE_BYTES_MAX } from "@vigie/audit-log/note";
import { HASH_BYTES } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";

/** The body of add-checkpoint. */
export interface AddCheckpoint {
  readonly oldSize: bigint;
  readonly proof: readonly Buffer[];
  /** Not looked at yet. */
  readonly note: Buffer;
}

/** Source: C2SP tlog-witness: as many as a tree of 2^63 leaves can need. */
const PROOF_LINES_MAX = 63;
/** Before the note: `old` and 20 digits, 63 lines of 44 base64 digits, line ends. */
export const REQUEST_BYTES_MAX = NOTE_BYTES_MAX + 4_096;

/**
 * Reads `old SIZE`, the lines of the proof, an empty line and a note.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is anything else.
 * Source: C2SP tlog-witness, add-checkpoint.
 */
export function parseAddCheckpoint(body: Buffer): AddCheckpoint {
  const cut = body.indexOf("\n\n");
  if (cut < 0) throw invalid("it has no empty line before the checkpoint");
  const [first = "", ...lines] = body.toString("latin1", 0, cut).split("\n");
  const oldSize = first.startsWith("old ") ? parseSize(first.slice(4)) : null;
  if (oldSize === null) throw invalid("its first line is not `old SIZE`");
  if (lines.length > PROOF_LINES_MAX) throw invalid("its proof is too long");
  return { oldSize, proof: lines.map(hashOf), note: body.subarray(cut + 2) };
}

function hashOf(line: string): Buffer {
  const hash = decodeBase64(line);
  if (hash?.length !== HASH_BYTES) throw invalid("a line of the proof is no hash");
  return hash;
}

const invalid = (why: string): VigError => new VigError("VIG_AUDIT_NOTE_INVALID", { why });
