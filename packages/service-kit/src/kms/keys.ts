/** A tenant's HMAC key and the id that is stored beside what it signed. */
export interface HmacKey {
  readonly keyId: string;
  readonly key: Buffer;
}

/**
 * Keys of the platform. A provider fetches what it needs when it is opened, so every call is
 * synchronous. `tenantId` as in contracts; `purpose` names what is encrypted, e.g. "audit.payload".
 */
export interface Keys {
  /** The tenant's key that new hashes are made with. */
  hmacKey(tenantId: string): HmacKey;
  /**
   * The key of an earlier hash, for comparison.
   * Throws: VIG_KEY_UNKNOWN if it never was, or was replaced more than 30 days ago.
   */
  hmacKeyById(tenantId: string, keyId: string): HmacKey;
  /** The current key and those replaced within 30 days, newest first. */
  comparableHmacKeys(tenantId: string): readonly HmacKey[];
  /**
   * An envelope: AES-256-GCM under a random data key, which is itself encrypted under the purpose's
   * key. `context` must be given again to open it, e.g. the row's id: a ciphertext moved elsewhere
   * does not open.
   */
  encrypt(purpose: string, plaintext: Uint8Array, context: string): Buffer;
  /**
   * Throws: VIG_KEY_UNKNOWN; VIG_CIPHERTEXT_INVALID if bytes, purpose or context are not as
   * encrypted.
   */
  decrypt(purpose: string, envelope: Uint8Array, context: string): Buffer;
}

/** How long a replaced HMAC key stays valid for comparison. Source: DESIGN, keys and addresses. */
export const REPLACED_KEY_VALID_DAYS = 30;
