import { open, seal } from "../kms/envelope.ts";
import type { Keys } from "../kms/keys.ts";

/** What tenants' keys are encrypted for; the context is the tenant. */
const PURPOSE = "audit.subjects";

/** A tenant's key as it is stored. */
export const sealTenantKey = (keys: Keys, tenant: string, key: Uint8Array): Buffer =>
  keys.encrypt(PURPOSE, key, tenant);

/** Throws: VIG_KEY_UNKNOWN; VIG_CIPHERTEXT_INVALID. */
export const openTenantKey = (keys: Keys, tenant: string, envelope: Uint8Array): Buffer =>
  keys.decrypt(PURPOSE, envelope, tenant);

/** A subject's secret under its tenant's key; it opens for this ref only. */
export const wrapSecret = (tenantKey: Uint8Array, ref: string, secret: Uint8Array): Buffer =>
  seal(tenantKey, secret, ref);

/** Throws: VIG_CIPHERTEXT_INVALID. */
export const unwrapSecret = (tenantKey: Uint8Array, ref: string, wrapped: Uint8Array): Buffer =>
  open(tenantKey, wrapped, ref);
