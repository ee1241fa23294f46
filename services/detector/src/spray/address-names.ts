import { HOUR_MS } from "@vigie/core/time";
import { addressUnder, canonicalAddress } from "@vigie/service-kit/kms/addresses";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { MARKS, markOf } from "./watched.ts";

/** After this a name is made anew, since a replaced key may have ceased to be valid. */
const NAMES_KEPT_MS = HOUR_MS;

interface Kept {
  readonly tenantId: string;
  readonly ip: string;
  readonly keyId: string;
  readonly madeMs: number;
  readonly names: readonly string[];
}

/** What addresses are called instead of by themselves. */
export interface AddressNames {
  /**
   * The tenant, `|ip:` and the HMAC of the address, first under the tenant's current key, then under those replaced
   * within 30 days; none for what is no address.
   */
  of(tenantId: string, ip: string, nowMs: number): readonly string[];
}

export function addressNames(keys: Keys): AddressNames {
  // One for each mark, whichever came last: of an address that many fail from the name is made once, and one that
  // does not come again leaves little behind.
  const kept = new Array<Kept | null>(MARKS).fill(null);
  return {
    of(tenantId, ip, nowMs) {
      const { keyId } = keys.hmacKey(tenantId);
      const mark = markOf(ip);
      const known = kept[mark];
      const isIts = known?.ip === ip && known.tenantId === tenantId && known.keyId === keyId;
      if (isIts && nowMs - known.madeMs < NAMES_KEPT_MS) return known.names;
      const address = canonicalAddress(ip);
      const names =
        address === null
          ? []
          : keys
              .comparableHmacKeys(tenantId)
              .map((key) => `${tenantId}|ip:${addressUnder(key, address)}`);
      kept[mark] = { tenantId, ip, keyId, madeMs: nowMs, names };
      return names;
    },
  };
}
