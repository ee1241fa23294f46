import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
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

/** Writes a new file, mode 600, which is on the disk when this returns. Throws if it exists. */
export function createPrivateFile(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeFileSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(path);
}

/** The same in place of one that is there: whoever reads finds one of both, also after a loss of power. */
export function replacePrivateFile(path: string, text: string): void {
  const fresh = `${path}.new`;
  // One that a killed command left.
  rmSync(fresh, { force: true });
  createPrivateFile(fresh, text);
  renameSync(fresh, path);
  syncFolder(path);
}

/** A new name is durable once its folder is. */
function syncFolder(path: string): void {
  const folder = openSync(dirname(path), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
