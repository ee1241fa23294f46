import type { WrappedSecret } from "./keys-file.ts";

/**
 * A key management service that keeps the key which master keys are encrypted under and never gives it away.
 * `keyId` is the id of the master key: it is the encryption context, so a blob opens as the key that it was made for.
 * Throws, all of them: VIG_KMS_AWAY, which may pass; VIG_KMS_REFUSED, which does not.
 */
export interface Kms {
  /** A new random secret that nobody but KMS has seen. */
  generate(kmsKey: string, keyId: string): Promise<WrappedSecret>;
  /** A secret that there is, encrypted. */
  wrap(kmsKey: string, keyId: string, secret: Buffer): Promise<WrappedSecret>;
  open(wrapped: WrappedSecret, keyId: string): Promise<Buffer>;
  close(): void;
}
