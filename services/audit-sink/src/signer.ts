import { hkdfSync } from "node:crypto";
import { hmacSha256 } from "@vigie/audit-log/hmac-sha256";

/** Signs leaves and tells repetitions apart, with keys derived from one secret. */
export interface Signer {
  readonly keyId: string;
  /** AUD-02: HMAC-SHA-256 of a leaf's hash. */
  sign(leafHash: Uint8Array): Buffer;
  /** base64 HMAC of an event's identity: a plain hash of it would give its content away by trying all. */
  digest(identity: string): string;
}

/** The one that signs, and those that only verify, by key id. */
export interface Signers {
  readonly current: Signer;
  readonly byId: ReadonlyMap<string, Signer>;
}

const KEY_BYTES = 32;

/** Shape: `secret` of 32 characters or more; its id says which one it was and nothing about it. */
export function createSigner(secret: string): Signer {
  // Source: RFC 5869, one key for each use.
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync("sha256", secret, "vigie", `audit.${use}`, KEY_BYTES));
  const signing = derive("sign");
  const identifying = derive("identity");
  return {
    keyId: derive("key-id").subarray(0, 8).toString("hex"),
    sign: (leafHash) => hmacSha256(signing, leafHash),
    digest: (identity) => hmacSha256(identifying, identity).toString("base64"),
  };
}

/** `retired`: secrets of before, newest first. */
export function createSigners(secret: string, retired: readonly string[] = []): Signers {
  const all = [secret, ...retired].map(createSigner);
  return { current: all[0] as Signer, byId: new Map(all.map((each) => [each.keyId, each])) };
}
