import { messageOf } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import { createKeysFile, readKeysFile, rotateKeysFile } from "@vigie/service-kit/kms/keys-file";

const USAGE = `npm run keys -- create FILE        a keys file with one random master key, mode 600
npm run keys -- rotate FILE [TIME]  adds a key that becomes current at TIME (ISO 8601; default: in a day),
                                    so that every service can be restarted with the file before then
npm run keys -- list FILE           ids and times, no secrets`;

/** Carries out one call; returns what to print. Throws: VIG_KEYS_FILE_INVALID, or the file system's error. */
export function manageKeys(argv: readonly string[], nowMs: number): string | null {
  const [verb, file, time] = argv;
  if (file === undefined) return null;
  if (verb === "create") createKeysFile(file, nowMs);
  else if (verb === "rotate") {
    const atMs = time === undefined ? nowMs + DAY_MS : Date.parse(time);
    if (Number.isNaN(atMs)) return null;
    rotateKeysFile(file, atMs);
  } else if (verb !== "list") return null;
  return readKeysFile(file)
    .map(
      ({ keyId, activeFromMs }) => `${keyId}  current from ${new Date(activeFromMs).toISOString()}`,
    )
    .join("\n");
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
