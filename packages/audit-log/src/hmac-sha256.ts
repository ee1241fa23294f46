import { assert } from "@vigie/core/assert";
import { sha256 } from "./sha256.ts";

/** Source: FIPS 180-4, the block and the digest of SHA-256. */
export const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
/** Source: RFC 2104, section 2. */
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;

/** Longer messages are hashed as well, only not from the reused buffer. */
const SHARED_BYTES = 16_384;
// Hashing is synchronous, so one buffer for each pass serves all.
const shared = Buffer.alloc(BLOCK_BYTES + SHARED_BYTES);
const outer = Buffer.alloc(BLOCK_BYTES + DIGEST_BYTES);

/**
 * HMAC-SHA-256 by two one-shot hashes, as RFC 2104 defines it: a fraction of what createHmac takes, which makes an
 * object for each: of an address 1.5 µs of CPU against 11.5 on a busy machine.
 * Throws: VIG_INVARIANT if the key is longer than BLOCK_BYTES.
 */
export function hmacSha256(key: Uint8Array, message: string | Uint8Array): Buffer {
  const bytes = typeof message === "string" ? Buffer.byteLength(message) : message.length;
  const room = bytes <= SHARED_BYTES ? shared : Buffer.alloc(BLOCK_BYTES + bytes);
  if (typeof message === "string") room.write(message, BLOCK_BYTES);
  else room.set(message, BLOCK_BYTES);
  return hmacInPlace(key, room.subarray(0, BLOCK_BYTES + bytes));
}

/** Of the message that stands behind the first BLOCK_BYTES of `room`; these are written over. Throws: as hmacSha256. */
export function hmacInPlace(key: Uint8Array, room: Uint8Array): Buffer {
  pad(room, key, INNER_PAD);
  outer.set(sha256(room), BLOCK_BYTES);
  pad(outer, key, OUTER_PAD);
  return sha256(outer);
}

/** What the inner hash begins with. Throws: as hmacSha256. */
export function innerBlock(key: Uint8Array): Buffer {
  const block = Buffer.alloc(BLOCK_BYTES);
  pad(block, key, INNER_PAD);
  return block;
}

function pad(room: Uint8Array, key: Uint8Array, by: number): void {
  assert(key.length <= BLOCK_BYTES, "a key fits a block of the hash");
  for (let i = 0; i < BLOCK_BYTES; i += 1) room[i] = (key[i] ?? 0) ^ by;
}
