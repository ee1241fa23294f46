import type { Clock } from "@vigie/core/time";
import { ipHash, ipPrefix } from "@vigie/service-kit/kms/addresses";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Signer } from "./chain.ts";

/** What rows are sealed and signed with. */
export interface Sealing {
  readonly signer: Signer;
  readonly clock: Clock;
  address(tenantKey: string, ip: string): SealedAddress;
  /** The value of a record that is kept aside. */
  conflict(tenantKey: string, value: Uint8Array): string;
}

/** CNF-02: an address encrypted, its /24 or /48 for showing, its HMAC for comparing. */
export interface SealedAddress {
  readonly ip_sealed: string;
  readonly ip_prefix: string | null;
  readonly ip_hash: string | null;
  readonly ip_hash_key_id: string | null;
}

/** Purposes of the keys, and the context in which what they seal can be opened: its tenant. */
export const SEALED = { address: "audit.ip", conflict: "audit.conflict" } as const;

/** Addresses that are kept sealed: an administrator has one for many actions, and sealing takes 20 µs. */
const ADDRESSES_MAX = 10_000;

export function createSealing(keys: Keys, signer: Signer, clock: Clock): Sealing {
  const sealed = new Map<string, SealedAddress>();

  function seal(tenantKey: string, ip: string): SealedAddress {
    const hashed = ipHash(keys, tenantKey, ip);
    return {
      ip_sealed: keys.encrypt(SEALED.address, Buffer.from(ip), tenantKey).toString("base64"),
      ip_prefix: ipPrefix(ip),
      ip_hash: hashed?.hash ?? null,
      ip_hash_key_id: hashed?.keyId ?? null,
    };
  }

  return {
    signer,
    clock,
    address(tenantKey, ip) {
      // The key's id is in the name, so that a replaced key is not used on.
      const name = `${tenantKey}|${keys.hmacKey(tenantKey).keyId}|${ip}`;
      const known = sealed.get(name);
      if (known !== undefined) return known;
      const made = seal(tenantKey, ip);
      const [oldest] = sealed.keys();
      if (sealed.size >= ADDRESSES_MAX && oldest !== undefined) sealed.delete(oldest);
      sealed.set(name, made);
      return made;
    },
    conflict: (tenantKey, value) =>
      keys.encrypt(SEALED.conflict, value, tenantKey).toString("base64"),
  };
}
