import { createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSigner, createSigners } from "./signer.ts";
import { SECRET } from "./testing.ts";

const derived = (use: string) =>
  Buffer.from(hkdfSync("sha256", SECRET, "vigie", `audit.${use}`, 32));
const signer = createSigner(SECRET);

test("AUD-02: the signature is the one that the format gives, computed by hand", () => {
  const hash = Buffer.alloc(32, 7);
  const expected = createHmac("sha256", derived("sign")).update(hash).digest();
  expect(signer.sign(hash)).toEqual(expected);
  expect(signer.keyId).toBe(derived("key-id").toString("hex").slice(0, 16));
});

test("a digest is HMAC-SHA-256 of any text, whatever was digested before", () => {
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("", "é".repeat(8_192), "x".repeat(16_385), "é".repeat(16_384)),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const expected = createHmac("sha256", derived("identity")).update(text).digest("base64");
      expect(signer.digest(text)).toBe(expected);
    }),
  );
});

test("earlier secrets are found by their id, and the first one signs", () => {
  const { current, byId } = createSigners("the next secret, long enough for all", [SECRET]);
  expect(byId.get(signer.keyId)?.digest("x")).toBe(signer.digest("x"));
  expect(current.keyId).not.toBe(signer.keyId);
  expect(byId.get(current.keyId)).toBe(current);
});
