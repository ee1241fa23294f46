import { hash } from "node:crypto";

/**
 * SHA-256. As a binary string and from there to bytes it takes 0.6 µs for 65 bytes and 1.0 µs for 1 KiB; asked for as
 * a buffer 1.1 µs and 2.2 µs, for it then gets memory of its own (Node 24, a loop of 60,000).
 */
export const sha256 = (data: Uint8Array): Buffer =>
  Buffer.from(hash("sha256", data, "binary"), "binary");
