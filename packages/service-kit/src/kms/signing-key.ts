import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  createSigner,
  formatVerifierKey,
  SIGNATURE_TYPES,
  type SignatureType,
} from "@vigie/audit-log/note";
import { createPrivateFile, invalidKeysFile, readPrivateFile } from "./private-file.ts";

/** A key that signs checkpoints of a log, or cosigns them as a witness. */
export interface SigningKey {
  /** That of a log is its origin, as C2SP tlog-checkpoint wants it. */
  readonly name: string;
  readonly type: SignatureType;
  /** Ed25519. */
  readonly privateKey: KeyObject;
  /** What verifies it, for everyone to know: name+hash+base64. Source: C2SP signed-note. */
  readonly verifierKey: string;
}

/** Source: C2SP signed-note: not empty, without spaces and plus signs; here also without commas, for lists. */
export const ORIGIN = /^[^\s+,]{1,128}$/;
const SEED_BYTES = 32;
/** PKCS #8 around a seed of 32 bytes. Source: RFC 8410, section 7. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex");

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
  const type = TYPES.find((each) => SIGNATURE_TYPES[each] === bytes[0]);
  if (!ORIGIN.test(name)) throw invalidKeysFile("its name is none of a log");
  if (bytes.length !== 1 + SEED_BYTES || type === undefined) {
    throw invalidKeysFile("it holds no Ed25519 key");
  }
  const der = Buffer.concat([PKCS8_HEAD, bytes.subarray(1)]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const key = withVerifier({ name, type, privateKey });
  if (hashOf(key) !== hash) throw invalidKeysFile("its hash is not that of name and key");
  return key;
}

/** A new random key, in memory. Throws: VIG_KEYS_FILE_INVALID if no log can be called so. */
export function newSigningKey(name: string, type: SignatureType = "ed25519"): SigningKey {
  if (!ORIGIN.test(name)) throw invalidKeysFile(`${name} is no name of a log`);
  return withVerifier({ name, type, privateKey: generateKeyPairSync("ed25519").privateKey });
}

/** Writes a new file with the key. Throws if the file exists. */
export function writeSigningKey(path: string, key: SigningKey): void {
  const pkcs8 = key.privateKey.export({ format: "der", type: "pkcs8" });
  const typed = Buffer.of(SIGNATURE_TYPES[key.type]);
  const secret = Buffer.concat([typed, pkcs8.subarray(PKCS8_HEAD.length)]).toString("base64");
  createPrivateFile(path, `PRIVATE+KEY+${key.name}+${hashOf(key)}+${secret}\n`);
}

/** A new random key in a new file. Throws: as both. */
export function createSigningKey(path: string, name: string, type?: SignatureType): SigningKey {
  const key = newSigningKey(name, type);
  writeSigningKey(path, key);
  return key;
}

const TYPES = Object.keys(SIGNATURE_TYPES) as readonly SignatureType[];

const withVerifier = (key: Omit<SigningKey, "verifierKey">): SigningKey => ({
  ...key,
  verifierKey: formatVerifierKey(createSigner(key).key),
});

const hashOf = (key: Omit<SigningKey, "verifierKey">): string => createSigner(key).key.id;
