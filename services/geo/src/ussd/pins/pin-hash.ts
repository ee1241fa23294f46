import { type Argon2Parameters, argon2, randomBytes, timingSafeEqual } from "node:crypto";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { keyOf, type Person } from "../../person.ts";

/**
 * Source: OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, 2 passes, 1 lane; RFC 9106 section 3.1 for the lengths
 * of salt and tag.
 */
const COST = { memory: 19_456, passes: 2, parallelism: 1 } as const;
const SALT_BYTES = 16;
const TAG_BYTES = 32;
/** First byte of what is sealed; other costs take another number. */
const LAYOUT = 1;
/** What it is sealed for; a PIN has so few values that the hash alone would hide nothing of a stolen table. */
const PURPOSE = "ussd.pin";

const hashed = (pin: string, salt: Uint8Array): Promise<Buffer> => {
  const parameters: Argon2Parameters = { message: pin, nonce: salt, tagLength: TAG_BYTES, ...COST };
  return new Promise((resolve, reject) => {
    argon2("argon2id", parameters, (error, tag) => (error ? reject(error) : resolve(tag)));
  });
};

/**
 * An Argon2id hash of a PIN, sealed under our keys as its pepper and bound to its person.
 * Shape inside: layout (1), salt (16), tag (32).
 */
export async function sealPin(keys: Keys, person: Person, pin: string): Promise<Buffer> {
  const salt = randomBytes(SALT_BYTES);
  const tag = await hashed(pin, salt);
  const plain = Buffer.concat([Buffer.from([LAYOUT]), salt, tag]);
  return keys.encrypt(PURPOSE, plain, keyOf(person));
}

/** Whether it is this PIN. Throws: VIG_CIPHERTEXT_INVALID, VIG_KEY_UNKNOWN for what is not as `sealPin` made it. */
export async function isPin(
  keys: Keys,
  person: Person,
  pin: string,
  sealed: Uint8Array,
): Promise<boolean> {
  const plain = keys.decrypt(PURPOSE, sealed, keyOf(person));
  const salt = plain.subarray(1, 1 + SALT_BYTES);
  return timingSafeEqual(await hashed(pin, salt), plain.subarray(1 + SALT_BYTES));
}
