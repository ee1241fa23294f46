import { messageOf } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import { createKeysFile, readKeysFile, rotateKeysFile } from "@vigie/service-kit/kms/keys-file";
import { createSigningKey, readSigningKey } from "@vigie/service-kit/kms/signing-key";

const USAGE = `Master keys (VIGIE_KEYS_FILE):
npm run keys -- create FILE          a keys file with one random master key, mode 600
npm run keys -- rotate FILE [TIME]   adds a key that becomes current at TIME (ISO 8601; default: in a day),
                                     so that every service can be restarted with the file before then
npm run keys -- list FILE            ids and times, no secrets

The key that signs checkpoints of the audit log (AUDIT_SIGNING_KEY_FILE):
npm run keys -- signing FILE ORIGIN  a new Ed25519 key of the log ORIGIN, mode 600; prints its public form
npm run keys -- vkey FILE            prints the public form, which verifies checkpoints`;

type Verb = (file: string, more: string | undefined, nowMs: number) => string | null;

const verbs: Readonly<Record<string, Verb>> = {
  create(file, _more, nowMs) {
    createKeysFile(file, nowMs);
    return listed(file);
  },
  rotate(file, time, nowMs) {
    const atMs = time === undefined ? nowMs + DAY_MS : Date.parse(time);
    if (Number.isNaN(atMs)) return null;
    rotateKeysFile(file, atMs);
    return listed(file);
  },
  list: (file) => listed(file),
  signing: (file, origin) =>
    origin === undefined ? null : createSigningKey(file, origin).verifierKey,
  vkey: (file) => readSigningKey(file).verifierKey,
};

const listed = (file: string): string =>
  readKeysFile(file)
    .map(
      ({ keyId, activeFromMs }) => `${keyId}  current from ${new Date(activeFromMs).toISOString()}`,
    )
    .join("\n");

/** Carries out one call; returns what to print. Throws: VIG_KEYS_FILE_INVALID, or the file system's error. */
export function manageKeys(argv: readonly string[], nowMs: number): string | null {
  const [verb = "", file, more] = argv;
  if (file === undefined || !Object.hasOwn(verbs, verb)) return null;
  return verbs[verb]?.(file, more, nowMs) ?? null;
}

if (import.meta.main) {
  try {
    const text = manageKeys(process.argv.slice(2), Date.now());
    console.log(text ?? USAGE);
    process.exitCode = text === null ? 64 : 0; // EX_USAGE of sysexits.h
  } catch (error) {
    console.error(messageOf(error));
    process.exitCode = 1;
  }
}
