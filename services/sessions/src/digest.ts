import { ipHash, ipPrefix } from "@vigie/service-kit/kms/addresses";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { AddressDigest } from "./translate.ts";

/** Prefix and keyed hash of an address under its tenant's current key. */
export const addressDigest =
  (keys: Keys): AddressDigest =>
  (tenantId, ip) => {
    const prefix = ipPrefix(ip);
    const hashed = ipHash(keys, tenantId, ip);
    return prefix === null || hashed === null ? null : { prefix, ...hashed };
  };
