import { createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";

/**
 * C2SP signed notes: text, an empty line, and signature lines `— NAME BASE64(key id ‖ signature)`.
 * Source: C2SP signed-note v1.0.0.
 */

/** Many cosignatures fit, also of keys that we do not know: 16 are to be accepted, up to 5 kB each. */
export const NOTE_BYTES_MAX = 256 * 1_024;
const SIGNATURES_MAX = 64;

const KEY_ID_BYTES = 4;
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const TIME_BYTES = 8;
/** Source: C2SP tlog-cosignature. */
const TIME_MAX = 2n ** 63n - 1n;

/** Neither empty nor with a space or plus. */
const KEY_NAME = /^[^\s\u0085+]+$/u;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** Types of signatures. Source: C2SP signed-note, signature types. */
export const SIGNATURE_TYPES = { ed25519: 0x01, cosignature: 0x04 } as const;
export type SignatureType = keyof typeof SIGNATURE_TYPES;

/** A public key by the name and id that its signatures bear. */
export interface VerifierKey {
  readonly name: string;
  /** 8 hex digits. */
  readonly id: string;
  readonly type: SignatureType;
  readonly publicKey: KeyObject;
}

export interface NoteSigner {
  readonly key: VerifierKey;
  readonly privateKey: KeyObject;
}

/** A line below a note, of whatever key. */
export interface SignatureLine {
  readonly name: string;
  readonly id: string;
  readonly signature: Buffer;
}

/** A signature that was verified. */
export interface Verified {
  readonly key: VerifierKey;
  /** When it was made, as the signer says: s since the epoch; null for types that do not say. */
  readonly timeS: bigint | null;
  /** As it stands below the note, with its newline. */
  readonly line: string;
}

export interface Note {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly SignatureLine[];
}

/**
 * A key as `NAME+ID+BASE64`.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is malformed, of another type, or its id is not that of its name and key.
 */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name = "", id = "", encoded = ""] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes?.length !== 1 + PUBLIC_KEY_BYTES) throw invalid("a key is NAME+ID+BASE64");
  const type = typeOf(bytes[0]);
  if (type === null) throw invalid(`there is no type ${bytes[0]} of keys`);
  const key = verifierKey(name, type, publicKeyOf(bytes.subarray(1)));
  if (key.id !== id) throw invalid(`the id of ${name} is not that of its key`);
  return key;
}

/** As parseVerifierKey takes it. */
export function formatVerifierKey({ name, id, type, publicKey }: VerifierKey): string {
  const bytes = Buffer.concat([Buffer.of(SIGNATURE_TYPES[type]), rawKey(publicKey)]);
  return `${name}+${id}+${bytes.toString("base64")}`;
}

/** Throws: VIG_AUDIT_NOTE_INVALID unless the name is one and the key is an Ed25519 key. */
export function createSigner(of: {
  readonly name: string;
  readonly privateKey: KeyObject;
  /** `cosignature` for a witness; default `ed25519`. */
  readonly type?: SignatureType;
}): NoteSigner {
  const { name, privateKey, type = "ed25519" } = of;
  return { key: verifierKey(name, type, createPublicKey(privateKey)), privateKey };
}

/**
 * The note of a text that ends in a newline.
 * Throws: VIG_INVARIANT for another text.
 */
export function signNote(text: string, signers: readonly NoteSigner[]): string {
  assert(faultOfText(text) === null, `a note can have this text: ${faultOfText(text)}`);
  return `${text}\n${signers.map((signer) => signatureLine(signer, text)).join("")}`;
}

/**
 * A signer's line for a text, with its newline.
 * Shape: `timeS` s since the epoch, for cosignatures only.
 */
export function signatureLine({ key, privateKey }: NoteSigner, text: string, timeS = 0n): string {
  assert(timeS >= 0n && timeS <= TIME_MAX, "the time of a signature is in range");
  const format = formats[key.type];
  const signed = sign(null, Buffer.from(format.message(text, timeS)), privateKey);
  return formatLine({ ...key, signature: Buffer.concat([format.prefix(timeS), signed]) });
}

function formatLine({ name, id, signature }: SignatureLine): string {
  const bytes = Buffer.concat([Buffer.from(id, "hex"), signature]);
  return `— ${name} ${bytes.toString("base64")}\n`;
}

/**
 * The parts of a note; nothing of it is verified.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is malformed.
 */
export function parseNote(note: string | Uint8Array): Note {
  const whole = typeof note === "string" ? note : decodeUtf8(note);
  if (whole.length > NOTE_BYTES_MAX) throw invalid("it is too long");
  const cut = whole.lastIndexOf("\n\n");
  const text = whole.slice(0, cut + 1);
  if (cut < 0 || !whole.endsWith("\n")) throw invalid("it has no text, empty line and signatures");
  const fault = faultOfText(text);
  if (fault !== null) throw invalid(fault);
  return { text, signatures: parseSignatures(whole.slice(cut + 2)) };
}

/**
 * Signature lines, each with its newline, as a witness answers them.
 * Throws: VIG_AUDIT_NOTE_INVALID if there is none, there are too many, or one is malformed.
 */
export function parseSignatures(lines: string): SignatureLine[] {
  if (!lines.endsWith("\n")) throw invalid("the last signature has no newline");
  const fault = faultOfText(lines);
  if (fault !== null) throw invalid(fault);
  const signatures = lines.slice(0, -1).split("\n").map(parseSignature);
  if (signatures.length > SIGNATURES_MAX) throw invalid("it has too many signatures");
  return signatures;
}

/**
 * Verifies a note against the keys that are trusted; signatures of other keys are ignored.
 * Throws: VIG_AUDIT_NOTE_INVALID if it is malformed; VIG_AUDIT_NOTE_UNTRUSTED if no signature is of a key that is
 * trusted, or one that claims to be does not verify.
 */
export function openNote(
  note: string | Uint8Array,
  verifiers: readonly VerifierKey[],
): Note & { readonly verified: readonly Verified[] } {
  const parsed = parseNote(note);
  const verified = parsed.signatures.flatMap((line) => {
    const key = verifiers.find(({ name, id }) => name === line.name && id === line.id);
    if (key === undefined) return [];
    const made = verifySignature(parsed.text, line, key);
    if (made === null) throw untrusted(`that of ${key.name}+${key.id} does not verify`);
    return [made];
  });
  if (verified.length === 0) throw untrusted("none is of a known key");
  return { ...parsed, verified };
}

/** Null unless the line is this key's signature of the text. */
export function verifySignature(
  text: string,
  line: SignatureLine,
  key: VerifierKey,
): Verified | null {
  const { name, id, signature } = line;
  const format = formats[key.type];
  if (name !== key.name || id !== key.id || signature.length !== format.bytes) return null;
  const timeS = format.time(signature);
  if (timeS !== null && timeS > TIME_MAX) return null;
  const signed = signature.subarray(-SIGNATURE_BYTES);
  const isValid = verify(
    null,
    Buffer.from(format.message(text, timeS ?? 0n)),
    key.publicKey,
    signed,
  );
  return isValid ? { key, timeS, line: formatLine(line) } : null;
}

/** What of a signature differs by its type. */
interface Format {
  readonly bytes: number;
  message(text: string, timeS: bigint): string;
  /** What stands before the Ed25519 signature. */
  prefix(timeS: bigint): Buffer;
  time(signature: Buffer): bigint | null;
}

const formats: Readonly<Record<SignatureType, Format>> = {
  ed25519: {
    bytes: SIGNATURE_BYTES,
    message: (text) => text,
    prefix: () => Buffer.alloc(0),
    time: () => null,
  },
  // Source: C2SP tlog-cosignature, Ed25519 signed message.
  cosignature: {
    bytes: TIME_BYTES + SIGNATURE_BYTES,
    message: (text, timeS) => `cosignature/v1\ntime ${timeS}\n${text}`,
    prefix(timeS) {
      const time = Buffer.alloc(TIME_BYTES);
      time.writeBigUInt64BE(timeS);
      return time;
    },
    time: (signature) => signature.readBigUInt64BE(),
  },
};

function parseSignature(line: string): SignatureLine {
  const [, name = "", encoded = ""] = /^— (\S+) (\S+)$/u.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (!KEY_NAME.test(name) || bytes === null || bytes.length <= KEY_ID_BYTES) {
    throw invalid("a signature is malformed");
  }
  const id = bytes.toString("hex", 0, KEY_ID_BYTES);
  return { name, id, signature: bytes.subarray(KEY_ID_BYTES) };
}

function faultOfText(text: string): string | null {
  if (!text.endsWith("\n")) return "its text does not end in a newline";
  if (CONTROL.test(text)) return "it has control characters";
  return text.isWellFormed() ? null : "it is no Unicode text";
}

function verifierKey(name: string, type: SignatureType, publicKey: KeyObject): VerifierKey {
  if (!KEY_NAME.test(name)) throw invalid("the name of a key is empty, or has a space or plus");
  if (publicKey.asymmetricKeyType !== "ed25519") throw invalid(`${name} has no Ed25519 key`);
  const named = Buffer.from(`${name}\n`);
  const typed = Buffer.of(SIGNATURE_TYPES[type]);
  const id = hash("sha256", Buffer.concat([named, typed, rawKey(publicKey)]), "hex");
  return { name, id: id.slice(0, 2 * KEY_ID_BYTES), type, publicKey };
}

const typeOf = (byte: number | undefined): SignatureType | null =>
  (Object.keys(SIGNATURE_TYPES) as SignatureType[]).find(
    (type) => SIGNATURE_TYPES[type] === byte,
  ) ?? null;

const publicKeyOf = (raw: Buffer): KeyObject =>
  createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") },
    format: "jwk",
  });

const rawKey = (key: KeyObject): Buffer =>
  Buffer.from(key.export({ format: "jwk" }).x ?? "", "base64url");

/** Standard base64 (RFC 4648, 4) in the one way of writing it; null for any other text. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : null;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw invalid("it is no UTF-8", cause);
  }
}

const invalid = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_AUDIT_NOTE_INVALID", { why }, { cause });

const untrusted = (why: string): VigError => new VigError("VIG_AUDIT_NOTE_UNTRUSTED", { why });
