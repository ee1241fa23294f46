import { parseSize, verifyCosignature } from "@vigie/audit-log/checkpoint";
import { parseVerifierKey, type VerifierKey } from "@vigie/audit-log/note";
import { proveConsistency, type ReadNodes } from "@vigie/audit-log/proofs";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Cosignatures } from "./database-place.ts";
import type { SignedCheckpoint } from "./keys.ts";

/** Somebody else who has seen every checkpoint and says so. */
export interface Witness {
  readonly key: VerifierKey;
  /** Submission prefix: its add-checkpoint is asked. */
  readonly url: string;
}

/** One of AUDIT_WITNESSES: its verifier key and its URL, with a space between. */
export const WITNESS = /^([^\s+,]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+) (https?:\/\/\S+)$/;

/** Throws: VIG_AUDIT_NOTE_INVALID for a key that is none of a witness. */
export function parseWitness(item: string): Witness {
  const [, text = "", url = ""] = WITNESS.exec(item) ?? [];
  const key = parseVerifierKey(text);
  if (key.type !== "cosignature") {
    throw new VigError("VIG_AUDIT_NOTE_INVALID", { why: `${key.name} is no key of a witness` });
  }
  return { key, url: url.replace(/\/+$/, "") };
}

export interface WitnessClientOptions {
  readonly witness: Witness;
  readonly nodes: ReadNodes;
  readonly cosignatures: Cosignatures;
  readonly timeoutMs?: number;
}

/** A witness does little and keeps one number a log. */
const TIMEOUT_MS = 10_000;
/** Source: C2SP signed-note, some lines of a name and 100 base64 digits each. */
const ANSWER_BYTES_MAX = 64 * 1_024;

/**
 * Asks a witness for its cosignature and keeps it.
 * Returns: its line. Throws: VIG_AUDIT_WITNESS_REFUSED; VIG_OUTBOUND_AWAY; what of the database is away.
 * Source: C2SP tlog-witness, add-checkpoint.
 */
export function createWitnessClient(
  options: WitnessClientOptions,
): (checkpoint: SignedCheckpoint) => Promise<string> {
  const { witness, nodes, cosignatures, timeoutMs = TIMEOUT_MS } = options;
  const { key } = witness;
  const refused = (why: string): VigError =>
    new VigError("VIG_AUDIT_WITNESS_REFUSED", { witness: key.name, why });
  /** Its last size, as far as we know. */
  let known: bigint | null = null;

  async function submit(checkpoint: SignedCheckpoint, from: bigint): Promise<string | bigint> {
    const proof = await proofOf(from, checkpoint.size, nodes);
    const head = [`old ${from}`, ...proof.map((hash) => hash.toString("base64"))].join("\n");
    const body = `${head}\n\n${checkpoint.note}`;
    const { status, text } = await post(`${witness.url}/add-checkpoint`, body, timeoutMs);
    if (status === 200) return text;
    const theirs = status === 409 ? parseSize(text.trim()) : null;
    if (theirs === null) throw refused(`answers ${status}`);
    return theirs;
  }

  return async (checkpoint) => {
    const { size } = checkpoint;
    known ??= (await cosignatures.newestOf(key)) ?? 0n;
    let answer = await submit(checkpoint, known <= size ? known : size);
    if (typeof answer === "bigint") {
      if (answer > size) throw refused(`knows a tree of ${answer}, larger than ${size}`);
      // It says from where it can be shown what has come since.
      known = answer;
      answer = await submit(checkpoint, known);
    }
    if (typeof answer === "bigint") throw refused(`knows a tree of ${answer} that is not this one`);
    const cosigned = verifyCosignature(checkpoint.text, answer, key);
    if (cosigned === null) throw refused("answers without its cosignature");
    const signedAtMs = Number(cosigned.timeS) * 1_000;
    const { line } = cosigned;
    await cosignatures.add(checkpoint, { name: key.name, keyId: key.id, line, signedAtMs });
    known = size;
    return line;
  };
}

/** Of the empty tree, and of a tree to itself, there is nothing to show. */
const proofOf = (from: bigint, to: bigint, nodes: ReadNodes): Promise<readonly Buffer[]> =>
  from === 0n || from === to ? Promise.resolve([]) : proveConsistency(from, to, nodes);

async function post(
  url: string,
  body: string,
  timeoutMs: number,
): Promise<{ readonly status: number; readonly text: string }> {
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { "content-type": "text/plain; charset=utf-8" },
      redirect: "error",
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: response.status, text: await textOf(response) };
  } catch (cause) {
    throw new VigError("VIG_OUTBOUND_AWAY", { why: messageOf(cause) }, { cause });
  }
}

async function textOf(response: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error("the answer is too long");
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
