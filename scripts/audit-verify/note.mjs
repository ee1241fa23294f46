// Signed notes (c2sp.org/signed-note), checkpoints (c2sp.org/tlog-checkpoint) and cosignatures
// (c2sp.org/tlog-cosignature).
import { createPublicKey, verify } from "node:crypto";
import { fromBase64, hashFromBase64, sha256 } from "./bytes.mjs";

/** Types of keys. */
const LOG = 0x01;
const WITNESS = 0x04;

const NOTE_CHARS_MAX = 256 * 1024;
const SIGNATURES_MAX = 64;
const TIME_BYTES = 8;
/** Source: c2sp.org/tlog-cosignature. */
const TIME_MAX = 2n ** 63n - 1n;
/** What stands before the 32 bytes of an Ed25519 key in DER. Source: RFC 8410, section 4. */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a note may not hold.
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** The key that is given as NAME+KEYID+BASE64; throws an Error that says what is wrong with it. */
export function parseKey(text) {
  const [, name, keyId, encoded] = /^([^\s\u0085+]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? [];
  const bytes = fromBase64(encoded);
  if (bytes === null || bytes.length !== 33) throw new Error(`no verifier key: ${text}`);
  const type = bytes[0];
  if (type !== LOG && type !== WITNESS) throw new Error(`a key of an unknown type: ${text}`);
  const computed = sha256(Buffer.concat([Buffer.from(`${name}\n`), bytes])).subarray(0, 4);
  if (computed.toString("hex") !== keyId) throw new Error(`its key id does not fit: ${text}`);
  const der = Buffer.concat([SPKI_PREFIX, bytes.subarray(1)]);
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  return { name, keyId: computed, isWitness: type === WITNESS, publicKey, text };
}

/** `{ text, signatures: [{ name, bytes }] }` of a note; throws an Error that says what it is not. */
export function parseNote(note) {
  if (note.length > NOTE_CHARS_MAX) throw new Error("it is longer than 256 KiB");
  if (!note.isWellFormed() || CONTROL.test(note)) throw new Error("it holds control characters");
  const end = note.lastIndexOf("\n\n");
  if (end < 0 || !note.endsWith("\n")) throw new Error("no signatures are under it");
  const lines = note.slice(end + 2, -1).split("\n");
  if (lines.length > SIGNATURES_MAX) throw new Error("it has too many signatures");
  return { text: note.slice(0, end + 1), signatures: lines.map(signatureOf) };
}

function signatureOf(line) {
  const [, name, encoded] = /^\u2014 ([^\s\u0085+]+) (\S+)$/.exec(line) ?? [];
  const bytes = fromBase64(encoded);
  if (bytes === null || bytes.length < 5) throw new Error("a signature line is malformed");
  return { name, bytes };
}

/** `{ origin, size, root }` of a note's text, size a bigint; throws an Error that says what it is not. */
export function parseCheckpoint(text) {
  const [origin, size, encoded, ...rest] = text.split("\n");
  const root = hashFromBase64(encoded);
  if (origin === "" || root === null || rest.pop() !== "") throw new Error("it is no checkpoint");
  if (!/^(0|[1-9][0-9]{0,19})$/.test(size)) throw new Error("its size is no number");
  if (rest.includes("")) throw new Error("it has an empty line");
  return { origin, size: BigInt(size), root };
}

/**
 * What the keys say of a note: for each that signed it, whether the signature holds.
 * Returns: [{ key, holds, atMs }], atMs the time of a cosignature or null.
 */
export function judgeSignatures({ text, signatures }, keys) {
  return signatures.flatMap(({ name, bytes }) => {
    const key = keys.find((one) => one.name === name && one.keyId.equals(bytes.subarray(0, 4)));
    return key === undefined ? [] : [{ key, ...judge(text, bytes.subarray(4), key) }];
  });
}

function judge(text, signature, key) {
  if (!key.isWitness) return { holds: verified(text, signature, key), atMs: null };
  if (signature.length !== TIME_BYTES + 64) return { holds: false, atMs: null };
  const seconds = signature.readBigUInt64BE();
  const signed = `cosignature/v1\ntime ${seconds}\n${text}`;
  const holds = seconds <= TIME_MAX && verified(signed, signature.subarray(TIME_BYTES), key);
  return { holds, atMs: Number(seconds) * 1000 };
}

const verified = (text, signature, { publicKey }) =>
  signature.length === 64 && verify(null, Buffer.from(text), publicKey, signature);
