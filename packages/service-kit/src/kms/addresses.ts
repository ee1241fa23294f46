import { timingSafeEqual } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";
import { hmacSha256 } from "@vigie/audit-log/hmac-sha256";
import type { HmacKey, Keys } from "./keys.ts";

/**
 * Longest text form of an address. Source: RFC 4291, IPv6 with an embedded IPv4 address; a zone
 * adds some.
 */
const TEXT_MAX = 64;

/**
 * 4 or 16 bytes of an address in text form, or null for anything else. IPv4-mapped IPv6 gives 4.
 */
export function parseAddress(text: string): Uint8Array | null {
  if (text.length > TEXT_MAX) return null;
  if (isIPv4(text)) return Uint8Array.from(text.split("."), Number);
  if (!isIPv6(text)) return null;
  const bytes = ipv6Bytes(text.split("%", 1)[0] ?? "");
  return isMapped(bytes) ? bytes.subarray(12) : bytes;
}

/** Source: RFC 4291 section 2.5.5.2, ::ffff:0:0/96. */
const isMapped = (bytes: Uint8Array): boolean =>
  bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);

function ipv6Bytes(text: string): Uint8Array {
  const [head = "", tail] = text.split("::");
  const front = groups(head);
  const back = tail === undefined ? [] : groups(tail);
  const bytes = new Uint8Array(16);
  bytes.set(front, 0);
  bytes.set(back, 16 - back.length);
  return bytes;
}

const groups = (text: string): number[] =>
  text.split(":").flatMap((group) => {
    if (group === "") return [];
    if (group.includes(".")) return group.split(".").map(Number);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });

/**
 * The one text form of an address: dotted IPv4, or IPv6 as RFC 5952 has it. null for no address.
 */
export function canonicalAddress(text: string): string | null {
  const trimmed = text.trim();
  // It has one text: without leading zeros, which isIPv4 refuses.
  if (isIPv4(trimmed)) return trimmed;
  const bytes = parseAddress(trimmed);
  if (bytes === null) return null;
  return bytes.length === 4 ? bytes.join(".") : ipv6Text(bytes);
}

function ipv6Text(bytes: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => {
    return (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16);
  });
  const run = longestZeroRun(words);
  if (run.length < 2) return words.join(":");
  const front = words.slice(0, run.start).join(":");
  return `${front}::${words.slice(run.start + run.length).join(":")}`;
}

function longestZeroRun(words: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, word] of words.entries()) {
    if (word !== "0") start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

/** PRV-02, CNF-02: the /24 of an IPv4 address, the /48 of an IPv6 one; null for no address. */
export function ipPrefix(ip: string): string | null {
  const bytes = parseAddress(ip.trim());
  if (bytes === null) return null;
  if (bytes.length === 4) return `${bytes.subarray(0, 3).join(".")}.0/24`;
  return `${ipv6Text(bytes.slice().fill(0, 6))}/48`;
}

/** 64 hex digits and the id of the key that made them. */
export interface AddressHash {
  readonly hash: string;
  readonly keyId: string;
}

/**
 * PRV-03, CNF-02: HMAC-SHA-256 of an address under the tenant's current key; null for no address.
 */
export function ipHash(keys: Keys, tenantId: string, ip: string): AddressHash | null {
  const address = canonicalAddress(ip);
  if (address === null) return null;
  const key = keys.hmacKey(tenantId);
  return { hash: addressUnder(key, address), keyId: key.keyId };
}

/** 64 hex digits: the HMAC-SHA-256 of a canonical address under one key. */
export const addressUnder = ({ key }: HmacKey, canonical: string): string =>
  hmacSha256(key, canonical).toString("hex");

/**
 * Whether `ip` is the address behind a stored hash. A key replaced more than 30 days ago compares
 * nothing: false.
 * Throws: never.
 */
export function isAddressOf(
  keys: Keys,
  tenantId: string,
  ip: string,
  stored: AddressHash,
): boolean {
  const address = canonicalAddress(ip);
  const known = keys.comparableHmacKeys(tenantId).find(({ keyId }) => keyId === stored.keyId);
  if (address === null || known === undefined) return false;
  const ours = Buffer.from(addressUnder(known, address), "hex");
  const theirs = Buffer.from(stored.hash, "hex");
  return ours.length === theirs.length && timingSafeEqual(ours, theirs);
}
