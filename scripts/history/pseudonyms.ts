import { createHmac } from "node:crypto";
import type { Keys } from "@vigie/service-kit/kms/keys";

/** What a pseudonym stands for: the same text as another thing is another pseudonym. */
export type PseudonymKind = "user" | "session" | "device" | "event" | "address" | "signal";

/**
 * Pseudonyms of one tenant: HMAC-SHA-256 under its key, cut to 128 bits and written as UUIDs, so that they join
 * over days and lead back to nobody without the key.
 */
export interface Pseudonyms {
  readonly keyId: string;
  uuid(kind: PseudonymKind, text: string): string;
  /** The same as `digits` decimal digits. */
  digits(kind: PseudonymKind, text: string): string;
}

/** People, devices and sessions come again soon: what was reckoned last is kept. */
const KEPT_MAX = 50_000;

export function pseudonymsOf(keys: Keys, tenantId: string): Pseudonyms {
  const { keyId, key } = keys.hmacKey(tenantId);
  const kept = new Map<string, string>();
  const digest = (kind: PseudonymKind, text: string): Buffer =>
    createHmac("sha256", key).update(`history|${kind}|${text}`).digest();
  return {
    keyId,
    uuid(kind, text) {
      const name = `${kind}|${text}`;
      const known = kept.get(name);
      if (known !== undefined) return known;
      const hex = digest(kind, text).toString("hex", 0, 16);
      const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
      if (kind === "event") return uuid;
      if (kept.size >= KEPT_MAX) kept.clear();
      kept.set(name, uuid);
      return uuid;
    },
    digits: (kind, text) => digest(kind, text).readBigUInt64BE().toString(),
  };
}
