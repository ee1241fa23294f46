import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";

/** Source: NIST SP 800-38D, 96-bit nonce and 128-bit tag; PRV-09 stores iv, tag, ciphertext. */
const IV_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const SEALED_KEY_BYTES = IV_BYTES + TAG_BYTES + KEY_BYTES;
/** First byte of an envelope; another layout takes another number. */
const LAYOUT = 1;

/** Returns: iv (12), tag (16), ciphertext. */
export function seal(key: Uint8Array, plaintext: Uint8Array, associated: string): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  cipher.setAAD(Buffer.from(associated));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

/** Throws: VIG_CIPHERTEXT_INVALID unless key, bytes and `associated` are those of `seal`. */
export function open(key: Uint8Array, sealed: Uint8Array, associated: string): Buffer {
  if (sealed.length < IV_BYTES + TAG_BYTES) {
    throw new VigError("VIG_CIPHERTEXT_INVALID", { why: "it is too short" });
  }
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, IV_BYTES));
  decipher.setAuthTag(sealed.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  decipher.setAAD(Buffer.from(associated));
  try {
    const plaintext = decipher.update(sealed.subarray(IV_BYTES + TAG_BYTES));
    return Buffer.concat([plaintext, decipher.final()]);
  } catch (cause) {
    throw new VigError("VIG_CIPHERTEXT_INVALID", { why: "it fails authentication" }, { cause });
  }
}

export interface WrappingKey {
  readonly keyId: string;
  readonly key: Uint8Array;
}

/**
 * Layout: version (1), length of the key id (1), key id, sealed data key (60), sealed plaintext.
 */
export function sealEnvelope(
  wrapping: WrappingKey,
  plaintext: Uint8Array,
  associated: string,
): Buffer {
  const keyId = Buffer.from(wrapping.keyId);
  assert(keyId.length < 256, "a key id fits its length byte");
  const dataKey = randomBytes(KEY_BYTES);
  return Buffer.concat([
    Buffer.from([LAYOUT, keyId.length]),
    keyId,
    seal(wrapping.key, dataKey, associated),
    seal(dataKey, plaintext, associated),
  ]);
}

/**
 * `wrappingKey` finds the key by the id in the envelope. Throws: VIG_CIPHERTEXT_INVALID, and what
 * it throws.
 */
export function openEnvelope(
  envelope: Uint8Array,
  associated: string,
  wrappingKey: (keyId: string) => Uint8Array,
): Buffer {
  const [layout, idLength = 0] = envelope;
  const keyStart = 2 + idLength;
  if (layout !== LAYOUT || envelope.length < keyStart + SEALED_KEY_BYTES) {
    throw new VigError("VIG_CIPHERTEXT_INVALID", { why: "it is no envelope" });
  }
  const keyId = Buffer.from(envelope.subarray(2, keyStart)).toString();
  const dataStart = keyStart + SEALED_KEY_BYTES;
  const dataKey = open(wrappingKey(keyId), envelope.subarray(keyStart, dataStart), associated);
  return open(dataKey, envelope.subarray(dataStart), associated);
}
