import { parseArgs } from "node:util";
import { createSigner } from "@vigie/audit-sink/signer";
import { messageOf, VigError } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import type { AuditAction } from "@vigie/schemas/audit-actions";
import {
  createKeysFile,
  FIRST_KEY_ID,
  KMS_ARN,
  nextKeyId,
  randomSecret,
  readKeysFile,
  replaceKeys,
  rotateKeysFile,
  type StoredKey,
} from "@vigie/service-kit/kms/keys-file";
import type { Kms } from "@vigie/service-kit/kms/kms";
import { openKms, openSecret } from "@vigie/service-kit/kms/open-keys";
import { createPrivateFile } from "@vigie/service-kit/kms/private-file";
import { newSigningKey, readSigningKey, writeSigningKey } from "@vigie/service-kit/kms/signing-key";
import {
  type OperatorAudit,
  type OperatorDeed,
  operatorAuditOf,
} from "@vigie/service-kit/operator-audit";

const USAGE = `Master keys (VIGIE_KEYS_FILE):
npm run keys -- create FILE [--kms ARN]         a keys file with one random master key, mode 600; with --kms its secret
                                                is made by AWS KMS, and the file holds what only KMS can open
npm run keys -- rotate FILE [TIME] [--kms ARN]  adds a key that becomes current at TIME (ISO 8601; default: in a day), so
                                                that every service can be restarted with the file before then; a file
                                                whose newest key is wrapped gets the next one wrapped as well
npm run keys -- wrap FILE --kms ARN             wraps all keys of the file under this KMS key; what they closed still opens
npm run keys -- list FILE                       ids, times and KMS keys, no secrets

Keys that sign or cosign checkpoints of the audit log (AUDIT_SIGNING_KEY_FILE):
npm run keys -- signing FILE NAME [--witness]   a new Ed25519 key of the log NAME, or of a witness, mode 600; prints its
                                                public form
npm run keys -- vkey FILE                       prints the public form, which verifies checkpoints

The secret that signs the audit log's leaves (WORM_SIGNING_SECRET):
npm run keys -- secret FILE                     a new random secret in a file of mode 600; prints its id, which rows name

What changes keys is put on record in the audit first, where KAFKA_BROKERS and SCHEMA_REGISTRY_URL say, else refused;
--unrecorded does it all the same, for an installation that is down. A new file may be made before there is a broker.
VIGIE_KMS_ENDPOINT and AWS's own variables say where KMS is and who asks.`;

interface Call {
  readonly file: string;
  /** What follows the file. */
  readonly more: string | undefined;
  /** ARN. */
  readonly kmsKey: string | undefined;
  readonly isWitness: boolean;
  readonly nowMs: number;
  readonly kms: Kms;
  /** Does `change` once it is on record. Throws: VIG_AUDIT_WRITE_FAILED, and then it is not done. */
  recorded<T>(deed: OperatorDeed, change: () => T): Promise<T>;
}

/** Resolves with what to print; null for a call that is none. */
type Verb = (call: Call) => Promise<string | null> | string | null;

const secretFrom = async (kms: Kms, kmsKey: string | undefined, keyId: string) =>
  kmsKey === undefined ? randomSecret() : kms.generate(kmsKey, keyId);

const kmsKeyOf = ({ secret }: StoredKey): string | undefined =>
  Buffer.isBuffer(secret) ? undefined : secret.kmsKey;

const verbs: Readonly<Record<string, Verb>> = {
  async create({ file, nowMs, kms, kmsKey, recorded }) {
    const secret = await secretFrom(kms, kmsKey, FIRST_KEY_ID);
    const payload = { keys: "master", key_id: FIRST_KEY_ID, wrapped_under: kmsKey };
    await recorded({ action: "keys.created", payload }, () => createKeysFile(file, nowMs, secret));
    return listed(file);
  },
  async rotate({ file, more, nowMs, kms, kmsKey, recorded }) {
    const atMs = more === undefined ? nowMs + DAY_MS : Date.parse(more);
    if (Number.isNaN(atMs)) return null;
    const keys = readKeysFile(file);
    const newest = keys.at(-1);
    const under = kmsKey ?? (newest && kmsKeyOf(newest));
    const keyId = nextKeyId(keys);
    const secret = await secretFrom(kms, under, keyId);
    const payload = { keys: "master", key_id: keyId, current_from: atMs, wrapped_under: under };
    await recorded({ action: "keys.rotated", payload }, () => rotateKeysFile(file, atMs, secret));
    return listed(file);
  },
  async wrap({ file, kms, kmsKey, recorded }) {
    if (kmsKey === undefined) return null;
    const wrapping = readKeysFile(file).map(async (key) => {
      const clear = await openSecret(key, kms);
      return { ...key, secret: await kms.wrap(kmsKey, key.keyId, clear) };
    });
    const wrapped = await Promise.all(wrapping);
    const payload = { keys: "master", wrapped_under: kmsKey };
    await recorded({ action: "keys.wrapped", payload }, () => replaceKeys(file, wrapped));
    return listed(file);
  },
  list: ({ file }) => listed(file),
  async signing({ file, more, isWitness, recorded }) {
    if (more === undefined) return null;
    const key = newSigningKey(more, isWitness ? "cosignature" : "ed25519");
    const keys = isWitness ? "audit.witness" : "audit.signing";
    const payload = { keys, verifier_key: key.verifierKey };
    await recorded({ action: "keys.created", payload }, () => writeSigningKey(file, key));
    return key.verifierKey;
  },
  vkey: ({ file }) => readSigningKey(file).verifierKey,
  async secret({ file, recorded }) {
    const secret = randomSecret().toString("hex");
    const { keyId } = createSigner(secret);
    const payload = { keys: "audit.leaves", key_id: keyId };
    await recorded({ action: "keys.created", payload }, () => {
      createPrivateFile(file, `${secret}\n`);
    });
    return keyId;
  },
};

const listed = (file: string): string =>
  readKeysFile(file)
    .map((key) => {
      const under = kmsKeyOf(key);
      const held = under === undefined ? "" : `  wrapped under ${under}`;
      return `${key.keyId}  current from ${new Date(key.activeFromMs).toISOString()}${held}`;
    })
    .join("\n");

/**
 * Carries out one call; resolves with what to print, or null for a call that is none.
 * Throws: VIG_KEYS_FILE_INVALID, VIG_KMS_AWAY, VIG_KMS_REFUSED, VIG_AUDIT_WRITE_FAILED, or the file system's error.
 */
export async function manageKeys(
  argv: readonly string[],
  nowMs: number,
  endpoint: string | null = null,
  openAudit: () => Promise<OperatorAudit | null> = async () => null,
): Promise<string | null> {
  const flag = { type: "boolean" } as const;
  const options = { kms: { type: "string" }, witness: flag, unrecorded: flag } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true });
  } catch {
    return null;
  }
  const [verb = "", file, more] = parsed.positionals;
  const { kms: kmsKey, witness: isWitness = false, unrecorded = false } = parsed.values;
  if (file === undefined || !Object.hasOwn(verbs, verb)) return null;
  if (kmsKey !== undefined && !KMS_ARN.test(kmsKey)) return null;
  const kms = await openKms({ VIGIE_KMS_ENDPOINT: endpoint });
  try {
    const recorded = recorder(unrecorded ? async () => null : openAudit, unrecorded);
    const call = { file, more, kmsKey, isWitness, nowMs, kms, recorded };
    return (await verbs[verb]?.(call)) ?? null;
  } finally {
    kms.close();
  }
}

/** A file that is new takes nothing away from a running installation. */
const MAY_COME_BEFORE_BROKER: AuditAction = "keys.created";

function recorder(
  openAudit: () => Promise<OperatorAudit | null>,
  unrecorded: boolean,
): Call["recorded"] {
  return async (deed, change) => {
    const audit = await openAudit();
    if (audit === null) {
      if (!unrecorded && deed.action !== MAY_COME_BEFORE_BROKER) {
        const why = "KAFKA_BROKERS names no broker; --unrecorded does it off the record";
        throw new VigError("VIG_AUDIT_WRITE_FAILED", { why });
      }
      console.error("This is not on record in the audit.");
      return change();
    }
    try {
      await audit.record(deed);
      return await changed(audit, deed, change);
    } finally {
      await audit.close().catch((error: unknown) => {
        console.error(`The audit's series of this command is not closed: ${messageOf(error)}`);
      });
    }
  };
}

async function changed<T>(audit: OperatorAudit, deed: OperatorDeed, change: () => T): Promise<T> {
  try {
    return change();
  } catch (error) {
    await audit.record({ action: "keys.change_undone", payload: { action: deed.action } });
    throw error;
  }
}

if (import.meta.main) {
  try {
    const endpoint = process.env.VIGIE_KMS_ENDPOINT || null;
    const openAudit = () => operatorAuditOf(process.env);
    const text = await manageKeys(process.argv.slice(2), Date.now(), endpoint, openAudit);
    console.log(text ?? USAGE);
    process.exitCode = text === null ? 64 : 0; // EX_USAGE of sysexits.h
  } catch (error) {
    if (!(error instanceof VigError) && !("code" in (error as object))) throw error;
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}
