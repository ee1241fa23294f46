import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { writeFileSync } from "node:fs";
import { invalidKeysFile, readPrivateFile } from "./private-file.ts";

/** The key that signs checkpoints. */
export interface SigningKey {
  /** Name of the log, and of the key: they are the same, as C2SP tlog-checkpoint wants it. */
  readonly name: string;
  /** Ed25519. */
  readonly privateKey: KeyObject;
  /** What verifies it, for everyone to know: name+hash+base64. Source: C2SP signed-note. */
  readonly verifierKey: string;
}

/** Source: C2SP signed-note: not empty, without spaces and plus signs; here also without commas, for lists. */
export const ORIGIN = /^[^\s+,]{1,128}$/;
/** Source: C2SP signed-note, signature type of Ed25519. */
const ED25519 = 0x01;
const SEED_BYTES = 32;
/** PKCS #8 around a seed, and SPKI around a public key, of 32 bytes each. Source: RFC 8410, section 7 and 4. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEAD_BYTES = 12;

/** Of the form in which Go's package note writes private keys. Source: golang.org/x/mod/sumdb/note. */
const PRIVATE_KEY = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/;

/**
 * The key of a file of one line, PRIVATE+KEY+name+hash+base64, mode 600 or stricter.
 * Throws: VIG_KEYS_FILE_INVALID, which quotes nothing of the file.
 */
export function readSigningKey(path: string): SigningKey {
  const match = PRIVATE_KEY.exec(readPrivateFile(path).trim());
  if (match === null) throw invalidKeysFile("it is no PRIVATE+KEY+name+hash+base64");
  const [, name = "", hash = "", base64 = ""] = match;
  const bytes = Buffer.from(base64, "base64");
  if (!ORIGIN.test(name)) throw invalidKeysFile("its name is none of a log");
  if (bytes.length !== 1 + SEED_BYTES || bytes[0] !== ED25519) {
    throw invalidKeysFile("it holds no Ed25519 key");
  }
  const der = Buffer.concat([PKCS8_HEAD, bytes.subarray(1)]);
  const key = signingKey(name, createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  if (keyHash(key) !== hash) throw invalidKeysFile("its hash is not that of name and key");
  return key;
}

/** Writes a file with a new random key. Throws if the file exists. */
export function createSigningKey(path: string, name: string): SigningKey {
  if (!ORIGIN.test(name)) throw invalidKeysFile(`${name} is no name of a log`);
  const key = signingKey(name, generateKeyPairSync("ed25519").privateKey);
  const pkcs8 = key.privateKey.export({ format: "der", type: "pkcs8" });
  const secret = Buffer.concat([Buffer.from([ED25519]), pkcs8.subarray(PKCS8_HEAD.length)]);
  const line = `PRIVATE+KEY+${name}+${keyHash(key)}+${secret.toString("base64")}\n`;
  writeFileSync(path, line, { mode: 0o600, flag: "wx" });
  return key;
}

function signingKey(name: string, privateKey: KeyObject): SigningKey {
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  const encoded = Buffer.concat([Buffer.from([ED25519]), spki.subarray(SPKI_HEAD_BYTES)]);
  const digest = createHash("sha256").update(`${name}\n`).update(encoded).digest("hex");
  const verifierKey = `${name}+${digest.slice(0, 8)}+${encoded.toString("base64")}`;
  return { name, privateKey, verifierKey };
}

const keyHash = ({ name, verifierKey }: SigningKey): string =>
  verifierKey.slice(name.length + 1, name.length + 9);
