import {
  createHmac,
  createSecretKey,
  hkdfSync,
  hash as oneShot,
  timingSafeEqual,
} from "node:crypto";
import { canonicalJson } from "@vigie/core/canonical-json";

/** A row of audit_log, in the columns that are signed. */
export interface SignedColumns {
  readonly index: number;
  readonly event_id: string;
  readonly tenant_key: string;
  readonly occurred_at_ms: number;
  readonly recorded_at_ms: number;
  readonly source_topic: string;
  readonly source_partition: number;
  readonly source_offset: number;
  readonly emitter: string;
  readonly emitter_seq: number;
  readonly action: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly impersonator_id: string | null;
  readonly subject_user_id: string | null;
  readonly is_impersonation: boolean;
  readonly impersonated_user_id: string | null;
  readonly ip_sealed: string | null;
  readonly ip_prefix: string | null;
  readonly ip_hash: string | null;
  readonly ip_hash_key_id: string | null;
  readonly user_agent: string | null;
  readonly payload: string;
  readonly event_digest: string;
}

/** What chains a row to the one before; hashes and signatures are 64 hex digits. */
export interface ChainColumns {
  readonly previous_hash: string;
  readonly entry_hash: string;
  readonly signature: string;
  readonly key_id: string;
}

/** The end of the chain so far. */
export interface Head {
  readonly index: number;
  readonly entryHash: string;
  readonly signature: string;
}

const ZEROS = "0".repeat(64);
export const EMPTY_HEAD: Head = { index: 0, entryHash: ZEROS, signature: ZEROS };

/**
 * entry_hash = SHA-256 of the hash before and of the row's columns as canonical JSON. The payload is in it as its
 * own SHA-256, so that one that must be erased can be, without breaking the chain.
 */
export function entryHash(row: SignedColumns, previousHash: string): string {
  const { payload, ...columns } = row;
  const payload_sha256 = oneShot("sha256", payload, "hex");
  const bytes = canonicalJson({ ...columns, payload_sha256 });
  return oneShot("sha256", `vigie.audit.1\n${previousHash}${bytes}`, "hex");
}

/** Signs entries and tells repetitions apart, with keys derived from one secret. */
export interface Signer {
  readonly keyId: string;
  /** AUD-02: HMAC-SHA-256 over index, entry hash and the signature before. */
  sign(index: number, entryHash: string, previousSignature: string): string;
  /** HMAC of an event's identity: a plain hash of it would give its address away by trying all. */
  digest(identity: string): string;
}

const KEY_BYTES = 32;

/** Shape: `secret` of 32 characters or more; its id says which one it was and nothing about it. */
export function createSigner(secret: string): Signer {
  // Source: RFC 5869, one key for each use.
  const derive = (use: string): Buffer =>
    Buffer.from(hkdfSync("sha256", secret, "vigie", `audit.${use}`, KEY_BYTES));
  const signing = createSecretKey(derive("sign"));
  const identity = createSecretKey(derive("identity"));
  return {
    keyId: derive("key-id").subarray(0, 8).toString("hex"),
    sign: (index, entryHash, previousSignature) =>
      createHmac("sha256", signing)
        .update(`${index}\n${entryHash}\n${previousSignature}`)
        .digest("hex"),
    digest: (text) => createHmac("sha256", identity).update(text).digest("hex"),
  };
}

/** A row with its place in the chain, and the head that it makes. */
export function append(
  row: SignedColumns,
  head: Head,
  signer: Signer,
): { readonly chained: SignedColumns & ChainColumns; readonly head: Head } {
  const entry_hash = entryHash(row, head.entryHash);
  const signature = signer.sign(row.index, entry_hash, head.signature);
  const chain = {
    previous_hash: head.entryHash,
    entry_hash,
    signature,
    key_id: signer.keyId,
  };
  return {
    chained: { ...row, ...chain },
    head: { index: row.index, entryHash: entry_hash, signature },
  };
}

/** What is wrong with a row behind `head`; null when it is the next link of the chain. */
export function faultOf(
  row: SignedColumns & ChainColumns,
  head: Head,
  signers: ReadonlyMap<string, Signer>,
): string | null {
  const { previous_hash, entry_hash, signature, key_id, ...columns } = row;
  if (row.index !== head.index + 1) return `index ${head.index + 1} is missing`;
  if (previous_hash !== head.entryHash) return "the hash before is not that of the row before";
  if (entry_hash !== entryHash(columns, head.entryHash)) return "its columns were changed";
  const signer = signers.get(key_id);
  if (signer === undefined) return `no key ${key_id}`;
  const expected = signer.sign(row.index, entry_hash, head.signature);
  return equal(signature, expected) ? null : "the signature is not ours";
}

function equal(given: string, expected: string): boolean {
  const one = Buffer.from(given);
  const other = Buffer.from(expected);
  return one.length === other.length && timingSafeEqual(one, other);
}
