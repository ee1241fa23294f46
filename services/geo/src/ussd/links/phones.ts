import { createHmac } from "node:crypto";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { HmacKey, Keys } from "@vigie/service-kit/kms/keys";

const PURPOSE = "ussd.phone";

/** A number as rows have it. */
export interface StoredPhone {
  /** 64 hex digits; the same number of another tenant has another. */
  readonly hash: string;
  readonly keyId: string;
}

const hashUnder = ({ keyId, key }: HmacKey, phone: string): StoredPhone => ({
  hash: createHmac("sha256", key).update(`ussd|phone|${phone}`).digest("hex"),
  keyId,
});

/** Under the tenant's current key. `phone`: E.164. */
export const phoneHash = (keys: Keys, tenantId: string, phone: string): StoredPhone =>
  hashUnder(keys.hmacKey(tenantId), phone);

/** Under each key that a row may have been made with. */
export const phoneHashes = (keys: Keys, tenantId: string, phone: string): readonly string[] =>
  keys.comparableHmacKeys(tenantId).map((key) => hashUnder(key, phone).hash);

/** The number itself, bound to its row. */
export const sealPhone = (keys: Keys, tenantId: string, rowId: string, phone: string): Buffer =>
  keys.encrypt(PURPOSE, Buffer.from(phone), `${tenantUuid(tenantId)}|${rowId}`);

/** Throws: VIG_CIPHERTEXT_INVALID, VIG_KEY_UNKNOWN. */
export const openPhone = (
  keys: Keys,
  tenantId: string,
  rowId: string,
  sealed: Uint8Array,
): string => keys.decrypt(PURPOSE, sealed, `${tenantUuid(tenantId)}|${rowId}`).toString();
