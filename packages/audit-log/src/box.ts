import { type CipherGCM, createCipheriv, createDecipheriv, hash } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { canonicalJson } from "@vigie/core/canonical-json";
import { VigError } from "@vigie/core/errors";
import { BLOCK_BYTES, hmacInPlace, hmacSha256 } from "./hmac-sha256.ts";

/** Bytes of a subject's secret, and of both keys made of it: AES-256, HMAC-SHA-256. */
export const SECRET_BYTES = 32;
/** Source: NIST SP 800-38D, 5.2.1.1 (iv) and 5.2.1.2 (tag). */
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** Enough that no salt is guessed: without it, a commitment to a user id could be tried out. */
const SALT_BYTES = 16;

/** What a subject's boxes are sealed with. Destroying the secret it was made of destroys what is in them. */
export interface BoxKey {
  /** Plain bytes: with a KeyObject an encryption takes a third longer (Node 26). */
  readonly cipher: Buffer;
  /** The secret. */
  readonly mac: Buffer;
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
  // Of their own memory: a key is held for long, and would hold what else is in a pool with it.
  const bytes = Buffer.allocUnsafeSlow(2 * SECRET_BYTES);
  bytes.set(secret);
  // No place of a box begins like this: a tenant has no space.
  bytes.set(hmacSha256(secret, "vigie audit box cipher key"), SECRET_BYTES);
  return { mac: bytes.subarray(0, SECRET_BYTES), cipher: bytes.subarray(SECRET_BYTES) };
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
  // room of an HMAC ‖ aad ‖ newline ‖ fields; then the plaintext is written around the fields.
  const room = roomFor(aad.length + json.length);
  const aadEnd = BLOCK_BYTES + room.write(aad, BLOCK_BYTES);
  const jsonStart = room.writeUInt8(NEWLINE, aadEnd);
  const jsonEnd = jsonStart + room.write(json, jsonStart);
  const derived = hmacInPlace(key.mac, room.subarray(0, jsonEnd));
  const iv = derived.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES);
  const cipher: CipherGCM = createCipheriv("aes-256-gcm", key.cipher, iv);
  cipher.setAAD(room.subarray(BLOCK_BYTES, aadEnd));
  room.write(HEAD, jsonStart - HEAD.length);
  const salt = derived.toString("base64", 0, SALT_BYTES);
  const end = jsonEnd + room.write(`,"salt":"${salt}"}`, jsonEnd);
  const plaintext = room.subarray(jsonStart - HEAD.length, end);
  // In counter mode all comes out of update: final only makes the tag.
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const commitment = commitmentOf(plaintext);
  iv.copy(room);
  cipher.getAuthTag().copy(room, IV_BYTES);
  ciphertext.copy(room, IV_BYTES + TAG_BYTES);
  const sealed = room.toString("base64", 0, IV_BYTES + TAG_BYTES + ciphertext.length);
  return { commitment, sealed };
}

const NEWLINE = 0x0a;
/** What stands before the fields; it fits what stands before them for the hash. */
const HEAD = '{"fields":';
/** The longest end of a plaintext: the salt's 24 characters and what is around them. */
const TAIL_BYTES = 64;
/** UTF-8 of one UTF-16 code unit. */
const UNIT_BYTES_MAX = 3;

/** Sealing is synchronous, so one buffer serves all boxes of the usual sizes. */
const shared = Buffer.alloc(65_536);

function roomFor(units: number): Buffer {
  const bytes = BLOCK_BYTES + UNIT_BYTES_MAX * units + TAIL_BYTES;
  return bytes <= shared.length ? shared : Buffer.alloc(bytes);
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

const unopened = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_CIPHERTEXT_INVALID", { why }, { cause });
