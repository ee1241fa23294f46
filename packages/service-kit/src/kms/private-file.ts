import { readFileSync, statSync } from "node:fs";
import { messageOf, VigError } from "@vigie/core/errors";

export const invalidKeysFile = (why: string, cause?: unknown): VigError =>
  new VigError("VIG_KEYS_FILE_INVALID", { why }, { cause });

/** The text of a file that nobody but its owner may read. Throws: VIG_KEYS_FILE_INVALID. */
export function readPrivateFile(path: string): string {
  try {
    if ((statSync(path).mode & 0o077) !== 0) {
      throw invalidKeysFile("others may read it; chmod 600");
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    throw error instanceof VigError ? error : invalidKeysFile(messageOf(error), error);
  }
}
