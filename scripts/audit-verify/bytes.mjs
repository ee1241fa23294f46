import * as crypto from "node:crypto";

/** SHA-256 of bytes or of a text's UTF-8. `crypto.hash` is four times as fast, and not in every Node 20. */
export const sha256 =
  crypto.hash === undefined
    ? (data) => crypto.createHash("sha256").update(data).digest()
    : (data) => crypto.hash("sha256", data, "buffer");

/** The bytes of base64 in its one spelling (RFC 4648 section 4, padded); null for any other text. */
export function fromBase64(text) {
  if (typeof text !== "string") return null;
  const bytes = Buffer.from(text, "base64");
  // Decoding skips what is no base64 and ignores loose bits at the end; encoding writes neither.
  return bytes.toString("base64") === text ? bytes : null;
}

/** The 32 bytes of a hash; null for any other text. */
export function hashFromBase64(text) {
  const bytes = fromBase64(text);
  return bytes?.length === 32 ? bytes : null;
}
