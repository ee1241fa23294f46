import {
  createSigner,
  type NoteSigner,
  parseVerifierKey,
  type VerifierKey,
} from "@vigie/audit-log/note";
import { VigError } from "@vigie/core/errors";
import { readSigningKey } from "@vigie/service-kit/kms/signing-key";

/** What a witness cosigns with, and the logs that it knows: by origin the keys that it trusts. */
export interface WitnessKeys {
  readonly signer: NoteSigner;
  readonly logs: ReadonlyMap<string, readonly VerifierKey[]>;
}

/**
 * Shape: the path of the witness's key file; verifier keys of logs, each named as its log's origin.
 * Throws: VIG_KEYS_FILE_INVALID; VIG_AUDIT_NOTE_INVALID for a key of the wrong kind, or one that is log and witness.
 */
export function openWitnessKeys(path: string, logKeys: readonly string[]): WitnessKeys {
  const signer = createSigner(readSigningKey(path));
  if (signer.key.type !== "cosignature") throw invalid(`${signer.key.name} is no key of a witness`);
  const logs = Map.groupBy(logKeys.map(parseVerifierKey), ({ name }) => name);
  for (const key of [...logs.values()].flat()) {
    if (key.type !== "ed25519") throw invalid(`${key.name} is no key of a log`);
    // With one key in both roles a log would witness itself, and each statement could pass for the other.
    if (key.publicKey.equals(signer.key.publicKey)) throw invalid(`${key.name} has our own key`);
  }
  return { signer, logs };
}

const invalid = (why: string): VigError => new VigError("VIG_AUDIT_NOTE_INVALID", { why });
