import { join } from "node:path";
import { createKeysFile } from "@vigie/service-kit/kms/keys-file";
import { createSigningKey } from "@vigie/service-kit/kms/signing-key";

export const ORIGIN = "vigie-audit";
export const WORM_SECRET = "an-audit-secret-of-the-end-to-end-tests";

/** All keys of an installation in a folder, and the environment that names them. */
export function makeKeys(directory: string) {
  const master = join(directory, "keys.json");
  // In force for longer than any event is old.
  createKeysFile(master, Date.now() - 90 * 86_400_000);
  const signing = join(directory, "audit.key");
  const { verifierKey } = createSigningKey(signing, ORIGIN);
  const env = {
    VIGIE_KEYS_FILE: master,
    WORM_SIGNING_SECRET: WORM_SECRET,
    AUDIT_ORIGIN: ORIGIN,
    AUDIT_SIGNING_KEY_FILE: signing,
  };
  return { verifierKey, env };
}
