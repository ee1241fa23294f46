import { randomBytes } from "node:crypto";

/** `purpose` tells one draw from another, so that a test's own source gives the same for the same. */
export type Random = (bytes: number, purpose: string) => Buffer;

export const systemRandom: Random = (bytes) => randomBytes(bytes);

export const UUID_BYTES = 16;

/** Of 16 random bytes. Source: RFC 9562 section 5.4, version 4. */
export function uuidOfBytes(bytes: Buffer): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
