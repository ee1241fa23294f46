import { createHmac } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BLOCK_BYTES, hmacInPlace, hmacSha256, innerBlock } from "./hmac-sha256.ts";

const expected = (key: Uint8Array, message: string | Uint8Array): Buffer =>
  createHmac("sha256", key).update(message).digest();

// Source: RFC 4231, 4.2 and 4.3.
test.each([
  [
    "\x0b".repeat(20),
    "Hi There",
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  ],
  [
    "Jefe",
    "what do ya want for nothing?",
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
])("a worked example of the standard: %j", (key, message, digest) => {
  expect(hmacSha256(Buffer.from(key), message).toString("hex")).toBe(digest);
});

const keys = fc.uint8Array({ maxLength: BLOCK_BYTES });
const messages = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.uint8Array(),
  fc.constantFrom("", "é".repeat(8_192), "x".repeat(16_385), new Uint8Array(100_000)),
);

test("it is the platform's HMAC of any key and message, whatever was hashed before", () =>
  fc.assert(
    fc.property(keys, messages, (key, message) => {
      const bytes = typeof message === "string" ? Buffer.from(message) : message;
      const room = Buffer.concat([Buffer.alloc(BLOCK_BYTES, 7), bytes]);
      expect(hmacSha256(key, message)).toEqual(expected(key, message));
      expect(hmacInPlace(key, room)).toEqual(expected(key, message));
      expect(room.subarray(0, BLOCK_BYTES)).toEqual(innerBlock(key));
    }),
  ));

test("a key that would have to be hashed first is refused", () => {
  expect(() => hmacSha256(Buffer.alloc(BLOCK_BYTES + 1), "")).toThrow("VIG_INVARIANT");
});
