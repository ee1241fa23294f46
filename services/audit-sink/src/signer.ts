import { hkdfSync } from "node:crypto";
import { sha256 } from "@vigie/audit-log/sha256";

/** Signs leaves and tells repetitions apart, with keys derived from one secret. */
export interface Signer {
  readonly keyId: string;
  /** AUD-02: HMAC-SHA-256 of a leaf's hash. */
  sign(leafHash: Uint8Array): Buffer;
  /** base64 HMAC of an event's identity: a plain hash of it would give its content away by trying all. */
  digest(identity: string): string;
}

/** The one that signs, and those that only verify, by key id. */
export interface Signers {
  readonly current: Signer;
  readonly byId: ReadonlyMap<string, Signer>;
}

const KEY_BYTES = 32;
/** Source: FIPS 180-4, the block of SHA-256. */
const BLOCK_BYTES = 64;

/** Shape: `secret` of 32 characters or more; its id says which one it was and nothing about it. */
export function createSigner(secret: string): Signer {
  // Source: RFC 5869, one key for each use.
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync("sha256", secret, "vigie", `audit.${use}`, KEY_BYTES));
  const sign = hmacUnder(derive("sign"));
  const digest = hmacUnder(derive("identity"));
  return {
    keyId: derive("key-id").subarray(0, 8).toString("hex"),
    sign,
    digest: (identity) => digest(identity).toString("base64"),
  };
}

/** `retired`: secrets of before, newest first. */
export function createSigners(secret: string, retired: readonly string[] = []): Signers {
  const all = [secret, ...retired].map(createSigner);
  return { current: all[0] as Signer, byId: new Map(all.map((each) => [each.keyId, each])) };
}

/** Longer messages are hashed as well, only not from the reused buffer. */
const MESSAGE_BUFFER_BYTES = 16_384;

/**
 * HMAC-SHA-256 by two one-shot hashes, as RFC 2104 defines it: a fraction of what createHmac takes, which makes an
 * object for each.
 */
function hmacUnder(key: Buffer): (message: string | Uint8Array) => Buffer {
  // Hashing is synchronous, so one buffer for each pass serves all.
  const inner = Buffer.alloc(BLOCK_BYTES + MESSAGE_BUFFER_BYTES);
  const outer = Buffer.alloc(BLOCK_BYTES + KEY_BYTES);
  padded(key, 0x36).copy(inner);
  padded(key, 0x5c).copy(outer);
  const innerHash = (message: string | Uint8Array): Buffer => {
    const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.length;
    if (bytes > MESSAGE_BUFFER_BYTES) {
      return sha256(Buffer.concat([inner.subarray(0, BLOCK_BYTES), Buffer.from(message)]));
    }
    if (typeof message === "string") inner.write(message, BLOCK_BYTES);
    else inner.set(message, BLOCK_BYTES);
    return sha256(inner.subarray(0, BLOCK_BYTES + bytes));
  };
  return (message) => {
    outer.set(innerHash(message), BLOCK_BYTES);
    return sha256(outer);
  };
}

function padded(key: Buffer, pad: number): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES, pad);
  for (const [i, byte] of key.entries()) block[i] = byte ^ pad;
  return block;
}
