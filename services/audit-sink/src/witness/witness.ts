import {
  cosign,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpoint,
} from "@vigie/audit-log/checkpoint";
import { parseNote, type VerifierKey } from "@vigie/audit-log/note";
import { verifyConsistency } from "@vigie/audit-log/proofs";
import { EMPTY_ROOT } from "@vigie/audit-log/tree";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { WitnessKeys } from "./keys.ts";
import { originHash, type Records, type WitnessRecord } from "./records.ts";
import { type AddCheckpoint, parseAddCheckpoint } from "./request.ts";

export interface Answer {
  readonly status: number;
  readonly body: string;
  /** Default: text/plain. */
  readonly type?: string;
}

export interface WitnessOptions extends WitnessKeys {
  readonly records: Records;
  readonly clock: Clock;
  readonly log: Logger;
  /** After a checkpoint was cosigned. */
  readonly onCosigned?: (origin: string, size: bigint) => void;
}

export interface Witness {
  /** Throws: what is wrong with the record on disk. */
  addCheckpoint(body: Buffer): Promise<Answer>;
  /** The last checkpoint of the log of a hash, with our cosignature. */
  checkpoint(hash: string): Promise<Answer>;
}

/** Source: C2SP tlog-witness. */
const SIZE_TYPE = "text/x.tlog.size";

/** A tree head that we stand by, and the record that says so. */
interface Seen {
  readonly size: bigint;
  readonly root: Buffer;
  readonly record: WitnessRecord;
}

/** A request whose checkpoint bears the signature of the log that it names. */
interface Trusted extends AddCheckpoint {
  readonly keys: readonly VerifierKey[];
  readonly next: OpenedCheckpoint;
}

/**
 * A witness: it cosigns a checkpoint of a log it knows if that log's tree has only grown since the one before, and
 * never two that are not consistent.
 * Source: C2SP tlog-witness and tlog-cosignature.
 */
export function createWitness(options: WitnessOptions): Witness {
  const { signer, logs, records, clock, log, onCosigned = () => undefined } = options;

  async function seenOf(origin: string, keys: readonly VerifierKey[]): Promise<Seen> {
    const record = await records.read(origin);
    if (record.note === null) return { size: 0n, root: EMPTY_ROOT, record };
    // Keys are replaced one after the other: that of the log or ours still verifies what is on disk.
    const { size, root } = openCheckpoint(record.note, { origin, keys: [...keys, signer.key] });
    return { size, root, record };
  }

  /** What was asked, once the log it names is known and has signed it. Throws: what is wrong with the body. */
  function trust(body: Buffer): Trusted | Answer {
    const request = parseAddCheckpoint(body);
    const { origin } = parseCheckpoint(parseNote(request.note).text);
    const keys = logs.get(origin);
    if (keys === undefined) return refusal(404, "this log is not witnessed here");
    const next = openCheckpoint(request.note, { origin, keys });
    if (request.oldSize > next.size) return refusal(400, "the old size is above the new one");
    return { ...request, keys, next };
  }

  async function add({ oldSize, proof, keys, next }: Trusted): Promise<Answer> {
    const { origin } = next;
    const seen = await seenOf(origin, keys);
    if (oldSize !== seen.size) return conflict(seen);
    const fault = faultOf(seen, next, proof);
    if (fault !== null) {
      // Signed by the log: this may be what proves that it forked.
      log.error({ origin, seen: seen.record.note, refused: next.text, fault }, "witness_refused");
      return refusal(422, fault);
    }
    const line = cosign(next.text, signer, BigInt(Math.floor(clock() / SECOND_MS)));
    const note = noteOf(next, line);
    // What could not be read again would keep us from ever answering this log.
    const unread = answerFaults(() => openCheckpoint(note, { origin, keys: [signer.key] }));
    if ("status" in unread) return unread;
    const isNew = next.size > seen.size;
    if (isNew && !(await records.replace(origin, seen.record, note))) {
      return conflict(await seenOf(origin, keys));
    }
    onCosigned(origin, next.size);
    return { status: 200, body: line };
  }

  return {
    async addCheckpoint(body) {
      const trusted = answerFaults(() => trust(body));
      return "status" in trusted ? trusted : add(trusted);
    },
    async checkpoint(hash) {
      const origin = [...logs.keys()].find((each) => originHash(each) === hash);
      const note = origin === undefined ? null : (await records.read(origin)).note;
      return note === null
        ? refusal(404, "nothing of this log was cosigned")
        : { status: 200, body: note };
    },
  };
}

/** What speaks against a checkpoint of the size that we have seen or a larger one. */
function faultOf(seen: Seen, next: OpenedCheckpoint, proof: readonly Buffer[]): string | null {
  if (seen.size > 0n) {
    const [first, second] = [seen.size, next.size];
    const claim = { first, second, firstRoot: seen.root, secondRoot: next.root, proof };
    return verifyConsistency(claim) ? null : "the proof does not show that the tree has only grown";
  }
  // Every tree begins with the empty one, so there is nothing to prove.
  if (proof.length > 0) return "a proof from an empty tree has no hashes";
  const isWrong = next.size === 0n && !next.root.equals(EMPTY_ROOT);
  return isWrong ? "an empty tree has another root" : null;
}

/**
 * What the log signed and our cosignature: nothing of what strangers may have written below it, who can also write a
 * signature of the log many times.
 */
function noteOf({ text, verified }: OpenedCheckpoint, line: string): string {
  const lines = new Map(verified.map((signature) => [signature.key, signature.line]));
  return `${text}\n${[...lines.values()].join("")}${line}`;
}

/** What is wrong with a request is its sender's to know; all else is thrown. */
function answerFaults<T>(work: () => T): T | Answer {
  try {
    return work();
  } catch (error) {
    if (error instanceof VigError) return refusal(error.status, error.message);
    throw error;
  }
}

const conflict = ({ size }: Seen): Answer => ({ status: 409, body: `${size}\n`, type: SIZE_TYPE });

const refusal = (status: number, why: string): Answer => ({ status, body: `${why}\n` });
