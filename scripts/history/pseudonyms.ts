import { hash } from "node:crypto";
import { assert } from "@vigie/core/assert";
import { ipPrefix } from "@vigie/service-kit/kms/addresses";
import type { Keys } from "@vigie/service-kit/kms/keys";

/** What a pseudonym stands for: the same text as another thing is another pseudonym. */
export type PseudonymKind =
  | "user"
  | "session"
  | "device"
  | "event"
  | "network"
  | "address"
  | "agent"
  | "signal";

/**
 * Pseudonyms of one tenant: HMAC-SHA-256 under its key, cut to 128 bits and written as UUIDs, so that they join
 * over days and lead back to nobody without the key.
 */
export interface Pseudonyms {
  readonly keyId: string;
  uuid(kind: PseudonymKind, text: string): string;
  /** 64 bits of it as 11 characters, for what is only compared and must not take more room than it did. */
  short(kind: PseudonymKind, text: string): string;
  /** Eight decimal digits of it at most. */
  digits(kind: PseudonymKind, text: string): string;
  /** As the text of an IPv6 address that nobody has: addresses of one /24 or /48 have one /48. */
  address(ip: string): string;
}

/** People, devices and sessions come again soon: what was reckoned last is kept. */
const KEPT_MAX = 50_000;
/** 48 bits of an IPv6 address are its network's. Source: PRV-02. */
const NETWORK_HEX_DIGITS = 12;

export function pseudonymsOf(keys: Keys, tenantId: string): Pseudonyms {
  const { keyId, key } = keys.hmacKey(tenantId);
  const kept = new Map<string, string>();
  const hmac = hmacSha256(key);
  const digest = (kind: PseudonymKind, text: string): Buffer => hmac(`history|${kind}|${text}`);
  const keptOr = (kind: PseudonymKind, text: string, make: () => string): string => {
    const name = `${kind}|${text}`;
    const known = kept.get(name);
    if (known !== undefined) return known;
    const made = make();
    if (kept.size >= KEPT_MAX) kept.clear();
    kept.set(name, made);
    return made;
  };
  return {
    keyId,
    uuid(kind, text) {
      const make = (): string => uuidText(digest(kind, text).toString("hex", 0, 16));
      return kind === "event" ? make() : keptOr(kind, text, make);
    },
    short: (kind, text) => digest(kind, text).toString("base64url", 0, 8),
    digits: (kind, text) => String(digest(kind, text).readUInt32BE() % 100_000_000),
    address: (ip) =>
      keptOr("address", ip, () => {
        const network = digest("network", ipPrefix(ip) ?? "").toString("hex");
        const own = digest("address", ip).toString("hex");
        const hex = network.slice(0, NETWORK_HEX_DIGITS) + own.slice(0, 32 - NETWORK_HEX_DIGITS);
        return (hex.match(/.{4}/g) ?? []).join(":");
      }),
  };
}

const uuidText = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;

/** Source: RFC 2104 with SHA-256: blocks of 64 bytes, the paddings 0x36 and 0x5c. */
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;

/**
 * HMAC-SHA-256 of many texts under one key: hashed at once, since most of what node's own takes for a short text is
 * the making of its objects.
 */
export function hmacSha256(key: Uint8Array): (text: string) => Buffer {
  assert(key.length <= BLOCK_BYTES, "a key fits a block");
  const padded = (padding: number, room: number): Buffer => {
    const bytes = Buffer.alloc(BLOCK_BYTES + room).fill(padding, 0, BLOCK_BYTES);
    for (const [i, byte] of key.entries()) bytes[i] = byte ^ padding;
    return bytes;
  };
  const outer = padded(0x5c, DIGEST_BYTES);
  let inner = padded(0x36, 1_024);
  return (text) => {
    const length = BLOCK_BYTES + Buffer.byteLength(text);
    if (length > inner.length) inner = Buffer.concat([inner, Buffer.alloc(length)]);
    inner.write(text, BLOCK_BYTES);
    outer.set(hash("sha256", inner.subarray(0, length), "buffer"), BLOCK_BYTES);
    return hash("sha256", outer, "buffer");
  };
}
