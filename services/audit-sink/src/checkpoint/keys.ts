import {
  formatCheckpoint,
  type OpenedCheckpoint,
  openCheckpoint,
} from "@vigie/audit-log/checkpoint";
import {
  createSigner,
  type NoteSigner,
  parseVerifierKey,
  signNote,
  type VerifierKey,
} from "@vigie/audit-log/note";
import { optional, type Parsed } from "@vigie/service-kit/config";
import { readSigningKey } from "@vigie/service-kit/kms/signing-key";
import { checkpointKeyConfig } from "@vigie/service-kit/shared-config";

/** What verifies this log's checkpoints: no private key is needed. */
export interface TrustedKeys {
  readonly origin: string;
  /** The signer's own and the retired ones. */
  readonly trusted: readonly VerifierKey[];
}

/** What signs them as well. */
export interface LogKeys extends TrustedKeys {
  readonly signer: NoteSigner;
}

/** A checkpoint of this log with a signature of it. */
export interface SignedCheckpoint extends Pick<OpenedCheckpoint, "size" | "root" | "text"> {
  /** The whole note. */
  readonly note: string;
  /** The key that signed it. */
  readonly key: VerifierKey;
}

/** Public keys are all that is needed to verify. */
export const trustedKeysConfig = {
  ...checkpointKeyConfig,
  AUDIT_SIGNING_KEY_FILE: optional(checkpointKeyConfig.AUDIT_SIGNING_KEY_FILE),
};

/** Throws: VIG_KEYS_FILE_INVALID, VIG_AUDIT_NOTE_INVALID for a retired key that is none. */
export function openLogKeys(config: Parsed<typeof checkpointKeyConfig>): LogKeys {
  const { name, privateKey } = readSigningKey(config.AUDIT_SIGNING_KEY_FILE);
  const signer = createSigner({ name, privateKey });
  const retired = config.AUDIT_RETIRED_KEYS.map(parseVerifierKey);
  return { origin: config.AUDIT_ORIGIN, signer, trusted: [signer.key, ...retired] };
}

/** For who only reads: those that are configured, and `more`. Throws: as openLogKeys. */
export function openTrustedKeys(
  config: Parsed<typeof trustedKeysConfig>,
  more: readonly string[] = [],
): TrustedKeys {
  const { AUDIT_SIGNING_KEY_FILE: file, AUDIT_RETIRED_KEYS: retired } = config;
  const own = file === null ? [] : [readSigningKey(file).verifierKey];
  const trusted = [...own, ...retired, ...more].map(parseVerifierKey);
  return { origin: config.AUDIT_ORIGIN, trusted };
}

export function signCheckpoint(
  { origin, signer }: LogKeys,
  { size, root }: Pick<SignedCheckpoint, "size" | "root">,
): SignedCheckpoint {
  const text = formatCheckpoint({ origin, size, root });
  return { size, root, text, note: signNote(text, [signer]), key: signer.key };
}

/** Throws: VIG_AUDIT_NOTE_INVALID, VIG_AUDIT_NOTE_UNTRUSTED. */
export function openSigned(
  note: string,
  { origin, trusted }: Pick<LogKeys, "origin" | "trusted">,
): SignedCheckpoint {
  const { size, root, text, verified } = openCheckpoint(note, { origin, keys: trusted });
  const [by] = verified;
  // openCheckpoint throws for a note that no trusted key has signed.
  return { size, root, text, note, key: (by as (typeof verified)[number]).key };
}
