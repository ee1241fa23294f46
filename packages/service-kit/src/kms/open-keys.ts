import { assert } from "@vigie/core/assert";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import type { Parsed } from "../config.ts";
import type { Health } from "../health.ts";
import { retryWhileAway } from "../retry.ts";
import type { keysConfig } from "../shared-config.ts";
import { derivedKeys } from "./derived-keys.ts";
import type { Keys } from "./keys.ts";
import { type MasterKey, readKeysFile, type StoredKey } from "./keys-file.ts";
import type { Kms } from "./kms.ts";

export type KeysConfig = Parsed<typeof keysConfig>;

/**
 * The keys of the configured file. What is wrapped in it is opened once, here, by KMS; afterwards KMS may be away.
 * Throws: VIG_KEYS_FILE_INVALID; VIG_KMS_AWAY; VIG_KMS_REFUSED.
 */
export async function openKeys(config: KeysConfig, clock: Clock = Date.now): Promise<Keys> {
  return derivedKeys(await openMasters(config), clock);
}

/** The same, waiting while KMS is away; health says so. */
export async function awaitKeys(
  config: KeysConfig,
  waiting: { readonly log: Logger; readonly health: Health; readonly signal?: AbortSignal },
): Promise<Keys> {
  const { health, ...rest } = waiting;
  health.declare("keys");
  const keys = await retryWhileAway(() => openKeys(config), {
    ...rest,
    what: "kms",
    onAway: (error) => health.set("keys", false, error.message),
  });
  health.set("keys", true);
  return keys;
}

/** All versions, oldest first, in clear. Throws: as `openKeys`. */
export async function openMasters(config: KeysConfig): Promise<readonly MasterKey[]> {
  const stored = readKeysFile(config.VIGIE_KEYS_FILE);
  const needsKms = stored.some(({ secret }) => !Buffer.isBuffer(secret));
  const kms = needsKms ? await openKms(config) : null;
  try {
    return await Promise.all(
      stored.map(async (key) => ({ ...key, secret: await openSecret(key, kms) })),
    );
  } finally {
    kms?.close();
  }
}

/** The library is loaded by those only who use KMS. */
export async function openKms(config: Pick<KeysConfig, "VIGIE_KMS_ENDPOINT">): Promise<Kms> {
  const { openAwsKms } = await import("./aws-kms.ts");
  return openAwsKms({ endpoint: config.VIGIE_KMS_ENDPOINT });
}

/** The 32 bytes of a version. Throws: VIG_KMS_AWAY; VIG_KMS_REFUSED. */
export async function openSecret({ keyId, secret }: StoredKey, kms: Kms | null): Promise<Buffer> {
  if (Buffer.isBuffer(secret)) return secret;
  assert(kms !== null, "there is a KMS where a key is wrapped");
  return kms.open(secret, keyId);
}
