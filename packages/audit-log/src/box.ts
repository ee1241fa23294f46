import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hash,
  type KeyObject,
} from "node:crypto";
import { assert } from "@vigie/core/assert";
import { canonicalJson } from "@vigie/core/canonical-json";
import { VigError } from "@vigie/core/errors";
import { sha256 } from "./sha256.ts";

/** Bytes of a subject's secret, and of both keys made of it: AES-256, HMAC-SHA-256. */
export const SECRET_BYTES = 32;
/** Source: NIST SP 800-38D, 5.2.1.1 (iv) and 5.2.1.2 (tag). */
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Enough that no salt is guessed: without it, a commitment to a user id could be tried out. */
const SALT_BYTES = 16;
const BLOCK_BYTES = 64;

/** What a subject's boxes are sealed with. Destroying the secret it was made of destroys what is in them. */
export interface BoxKey {
  /** A KeyObject: with plain bytes each encryption makes one anew, which triples its time. */
  readonly cipher: KeyObject;
  readonly mac: HmacKey;
}

/** The two padded blocks of HMAC-SHA-256: hashing twice at once takes a third of createHmac's time. */
interface HmacKey {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

/** What is in a box: JSON of the person's data. */
export type BoxFields = Readonly<Record<string, unknown>>;

/** A box as it stands in a leaf; both are base64. */
export interface SealedBox {
  /** SHA-256 of the plaintext. */
  readonly commitment: string;
  /** iv (12 bytes) ‖ tag (16) ‖ ciphertext. */
  readonly sealed: string;
}

export interface OpenedBox {
  readonly fields: BoxFields;
  /** What the commitment is to: whoever is shown it can check it. */
  readonly plaintext: string;
}

/** Throws: VIG_INVARIANT unless `secret` has 32 bytes. */
export function boxKeyOf(secret: Uint8Array): BoxKey {
  assert(secret.length === SECRET_BYTES, `a subject's secret has ${SECRET_BYTES} bytes`);
  const mac = { inner: padded(secret, 0x36), outer: padded(secret, 0x5c) };
  // No place of a box begins like this: a tenant has no space.
  return { cipher: createSecretKey(hmac(mac, "vigie audit box cipher key")), mac };
}

/** Where a box belongs: one that was moved into another leaf does not open. */
export function boxAad(at: {
  readonly tenant: string;
  readonly eventId: string;
  readonly ref: string;
}): string {
  // A tenant and a ref hold no "|", so no two places have one text.
  return `${at.tenant}|${at.eventId}|${at.ref}`;
}

/**
 * Seals a person's data; the plaintext is the canonical JSON of `{fields, salt}`. The same key, fields and place give
 * the same bytes: salt and iv are an HMAC of place and fields under the subject's key. Two contents in one place have
 * two ivs, as AES-GCM demands.
 * Throws: VIG_INVARIANT if the fields are no JSON.
 * Source: an iv made of the plaintext is that of SIV modes (RFC 5297, 1.3.3).
 */
export function sealBox(key: BoxKey, fields: BoxFields, aad: string): SealedBox {
  const json = canonicalJson(fields);
  const derived = hmac(key.mac, `${aad}\n${json}`);
  const salt = derived.toString("base64", 0, SALT_BYTES);
  const iv = derived.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES);
  const plaintext = `{"fields":${json},"salt":"${salt}"}`;
  const cipher = createCipheriv("aes-256-gcm", key.cipher, iv);
  cipher.setAAD(Buffer.from(aad));
  // In counter mode all comes out of update: final only makes the tag.
  const ciphertext = cipher.update(plaintext, "utf8");
  cipher.final();
  const sealed = Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
  return { commitment: commitmentOf(plaintext), sealed: sealed.toString("base64") };
}

/**
 * Throws: VIG_CIPHERTEXT_INVALID if key, place or bytes are not as sealed, or the plaintext is not what the
 * commitment says.
 */
export function openBox(key: BoxKey, box: SealedBox, aad: string): OpenedBox {
  const plaintext = decrypt(key, Buffer.from(box.sealed, "base64"), aad);
  if (commitmentOf(plaintext) !== box.commitment) throw unopened("it is not what was committed to");
  const text = plaintext.toString();
  const { fields } = JSON.parse(text) as { readonly fields: BoxFields };
  return { fields, plaintext: text };
}

/** SHA-256 as base64. */
export const commitmentOf = (plaintext: string | Uint8Array): string =>
  hash("sha256", plaintext, "base64");

function decrypt(key: BoxKey, bytes: Buffer, aad: string): Buffer {
  const start = IV_BYTES + TAG_BYTES;
  try {
    const iv = bytes.subarray(0, IV_BYTES);
    const options = { authTagLength: TAG_BYTES };
    const decipher = createDecipheriv("aes-256-gcm", key.cipher, iv, options);
    decipher.setAAD(Buffer.from(aad)).setAuthTag(bytes.subarray(IV_BYTES, start));
    return Buffer.concat([decipher.update(bytes.subarray(start)), decipher.final()]);
  } catch (cause) {
    throw unopened("key, place or bytes are not as sealed", cause);
  }
}

/** HMAC-SHA-256. Source: RFC 2104. */
function hmac(key: HmacKey, text: string): Buffer {
  const inner = sha256(Buffer.concat([key.inner, Buffer.from(text)]));
  return sha256(Buffer.concat([key.outer, inner]));
}

function padded(key: Uint8Array, pad: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, pad);
  for (let i = 0; i < key.length; i += 1) block[i] = (key[i] as number) ^ pad;
  return block;
}

const unopened = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_CIPHERTEXT_INVALID", { why }, { cause });
