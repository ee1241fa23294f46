import { readFileSync } from "node:fs";
import { judgeCheckpoint } from "./checkpoints.mjs";
import { isObject } from "./json.mjs";
import { parseKey } from "./note.mjs";
import { proofOf } from "./proofs.mjs";

/** No checkpoint and no proof comes near it. */
const FILE_BYTES_MAX = 1024 * 1024;

/** What is wrong with the call itself. */
export class UsageError extends Error {}

/**
 * What the caller trusts, from what the command line names.
 * `given`: the checkpoint that is to be compared beside the export's own, or null. `others`: all that the tree must
 * agree with. `proofs`: consistency proofs that were handed over.
 * Throws: UsageError for a key that is none.
 */
export function readTrust(options, report) {
  const {
    key = [],
    witness = [],
    checkpoint,
    since = [],
    consistency = [],
    secrets = [],
    whole: isWhole = false,
  } = options;
  const logs = key.map((text) => keyOf(text, false));
  const witnesses = witness.map((text) => keyOf(text, true));
  if (logs.length === 0) throw new UsageError("--key is missing");
  const keys = [...logs, ...witnesses];
  for (const one of witnesses) {
    const other = keys.find(
      ({ text, publicKey }) => text !== one.text && publicKey.equals(one.publicKey),
    );
    // Who has both keys is one witness and not two, or a log that witnesses itself.
    if (other !== undefined) throw new UsageError(`${one.name} and ${other.name} have one key`);
  }
  const judge = (file) =>
    fromFile(file, report, (note) =>
      judgeCheckpoint(note, { what: file, keys, report, kind: "unreadable" }),
    );
  const given = checkpoint === undefined ? null : judge(checkpoint);
  const older = since.map(judge);
  const others = [
    { checkpoint: given, isOlder: false },
    ...older.map((one) => ({ checkpoint: one, isOlder: true })),
  ].filter((one) => one.checkpoint !== null);
  const proofs = consistency.map((file) => fromFile(file, report, consistencyOf));
  const known = proofs.filter((one) => one !== null);
  return { keys, witnesses, secrets, isWhole, given, others, proofs: known };
}

function keyOf(text, isWitness) {
  let key;
  try {
    key = parseKey(text);
  } catch (error) {
    throw new UsageError(error.message);
  }
  if (key.isWitness === isWitness) return key;
  throw new UsageError(`${text} is ${key.isWitness ? "a witness's key" : "no witness's key"}`);
}

function fromFile(file, report, read) {
  try {
    const bytes = readFileSync(file);
    if (bytes.length > FILE_BYTES_MAX) throw new Error("it is longer than 1 MiB");
    return read(bytes.toString());
  } catch (error) {
    report.unreadable(null, `${file}: ${error.message}`);
    return null;
  }
}

/** `{ first, second, proof }` as the API answers it; sizes as numbers or decimal texts. */
function consistencyOf(text) {
  const value = JSON.parse(text);
  const proof = isObject(value) ? proofOf(value.proof) : null;
  if (proof === null) throw new Error("it holds no consistency proof");
  return { first: sizeOf(value.first), second: sizeOf(value.second), proof };
}

function sizeOf(value) {
  if (!/^(0|[1-9][0-9]{0,19})$/.test(String(value))) throw new Error("its sizes are no numbers");
  return BigInt(value);
}
