import { randomBytes } from "node:crypto";
import {
  createPrivateFile,
  invalidKeysFile as invalid,
  readPrivateFile,
  replacePrivateFile,
} from "./private-file.ts";

/** One version of the master key. */
export interface MasterKey {
  /** 1..32 characters of A-Z a-z 0-9 . _ -; stored beside hashes and in envelopes. */
  readonly keyId: string;
  /** From when on it is the current one; a time ahead lets all processes change over at once. */
  readonly activeFromMs: number;
  /** 32 bytes. */
  readonly secret: Buffer;
}

/** A secret that only KMS can open. */
export interface WrappedSecret {
  /** ARN of the KMS key that it is encrypted under. */
  readonly kmsKey: string;
  /** As KMS made it. */
  readonly blob: Buffer;
}

/** One version as the file holds it: its secret in clear, or wrapped. */
export type StoredKey = Omit<MasterKey, "secret"> & { readonly secret: Buffer | WrappedSecret };

export const MASTER_BYTES = 32;
/** Source: AWS KMS API reference, CiphertextBlob: 6,144 bytes at most. */
const BLOB_BYTES_MAX = 6_144;
const KEY_ID = /^[A-Za-z0-9._-]{1,32}$/;
/** The region is the fourth part. Source: AWS IAM user guide, ARNs; key ids and aliases of KMS. */
export const KMS_ARN = /^arn:[a-z-]+:kms:([a-z0-9-]+):\d{12}:(key|alias)\/[A-Za-z0-9:/_-]{1,256}$/;

interface StoredText {
  readonly id: string;
  readonly active_from: string;
  readonly secret?: string;
  readonly wrapped?: string;
  readonly kms_key?: string;
}

/**
 * The master keys of a file, oldest first.
 * Shape: {"keys": [{"id", "active_from": ISO 8601, and "secret": base64 of 32 bytes, or "wrapped":
 * base64 of what KMS made, with "kms_key": ARN}]}, mode 600 or stricter.
 * Throws: VIG_KEYS_FILE_INVALID.
 */
export function readKeysFile(path: string): readonly StoredKey[] {
  const keys = storedTexts(readPrivateFile(path)).map(storedKey);
  if (keys.length === 0) throw invalid("it holds no key");
  if (new Set(keys.map((key) => key.keyId)).size < keys.length) throw invalid("an id comes twice");
  return keys.sort((one, other) => one.activeFromMs - other.activeFromMs);
}

function storedTexts(text: string): readonly unknown[] {
  try {
    const { keys } = JSON.parse(text) as { readonly keys?: unknown };
    return Array.isArray(keys) ? keys : [];
  } catch {
    // The cause is left out: it may quote the file.
    throw invalid("it is not JSON");
  }
}

function storedKey(stored: unknown): StoredKey {
  const { id, active_from, ...held } = (stored ?? {}) as Partial<StoredText>;
  if (typeof id !== "string" || !KEY_ID.test(id)) throw invalid("a key has no proper id");
  const activeFromMs = Date.parse(String(active_from));
  if (Number.isNaN(activeFromMs)) throw invalid(`key ${id} has no active_from`);
  return { keyId: id, activeFromMs, secret: secretOf(id, held) };
}

function secretOf(id: string, held: Partial<StoredText>): Buffer | WrappedSecret {
  if (held.wrapped === undefined) {
    const secret = Buffer.from(String(held.secret), "base64");
    if (secret.length !== MASTER_BYTES) throw invalid(`the secret of key ${id} is not 32 bytes`);
    return secret;
  }
  const blob = Buffer.from(String(held.wrapped), "base64");
  const kmsKey = String(held.kms_key);
  if (held.secret !== undefined) throw invalid(`key ${id} is wrapped and in clear`);
  if (!KMS_ARN.test(kmsKey)) throw invalid(`kms_key of key ${id} is no ARN of a KMS key`);
  if (blob.length === 0 || blob.length > BLOB_BYTES_MAX) {
    throw invalid(`the wrapped secret of key ${id} is not 1..${BLOB_BYTES_MAX} bytes`);
  }
  return { kmsKey, blob };
}

export const FIRST_KEY_ID = "k1";

/** An id that none of `keys` has. */
export function nextKeyId(keys: readonly StoredKey[]): string {
  const taken = new Set(keys.map((key) => key.keyId));
  let number = keys.length + 1;
  while (taken.has(`k${number}`)) number += 1;
  return `k${number}`;
}

export const randomSecret = (): Buffer => randomBytes(MASTER_BYTES);

/** Writes a file with one key. Throws if the file exists. */
export function createKeysFile(
  path: string,
  nowMs: number,
  secret: StoredKey["secret"] = randomSecret(),
): void {
  const key = { keyId: FIRST_KEY_ID, activeFromMs: nowMs, secret };
  createPrivateFile(path, keysText([key]));
}

/**
 * Adds a key that becomes current at `activeFromMs`, under the next id; the others stay, to open
 * what they closed.
 */
export function rotateKeysFile(
  path: string,
  activeFromMs: number,
  secret: StoredKey["secret"] = randomSecret(),
): void {
  const keys = readKeysFile(path);
  replaceKeys(path, [...keys, { keyId: nextKeyId(keys), activeFromMs, secret }]);
}

/** Puts a file with these keys in place of the one that is there. */
export const replaceKeys = (path: string, keys: readonly StoredKey[]): void =>
  replacePrivateFile(path, keysText(keys));

function keysText(keys: readonly StoredKey[]): string {
  const stored = keys.map(
    ({ keyId, activeFromMs, secret }): StoredText => ({
      id: keyId,
      active_from: new Date(activeFromMs).toISOString(),
      ...(Buffer.isBuffer(secret)
        ? { secret: secret.toString("base64") }
        : { wrapped: secret.blob.toString("base64"), kms_key: secret.kmsKey }),
    }),
  );
  return `${JSON.stringify({ keys: stored }, null, 2)}\n`;
}
