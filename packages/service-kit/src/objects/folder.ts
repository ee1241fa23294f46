import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { assert } from "@vigie/core/assert";
import { messageOf, VigError } from "@vigie/core/errors";
import type { ObjectStore } from "./store.ts";

/** Files in a folder, which is made when the first is written. */
export function openFolder(path: string): ObjectStore {
  const root = resolve(path);
  return {
    name: root,
    put: (name, bytes) => away(() => replaceFile(within(root, name), bytes)),
    get: (name) => away(() => readOrNull(within(root, name))),
    remove: (names) =>
      away(async () => {
        for (const name of names) await removeFile(within(root, name));
      }),
  };
}

/**
 * Writes a file under another name, brings it to the disk and renames it: whoever reads finds the old one or the new
 * one, also after a loss of power.
 */
export const replaceFile = (path: string, bytes: Uint8Array): Promise<void> =>
  writeFile(path, bytes, rename);

/** As replaceFile, but never over another one: false if the file exists. Of several writers one is told true. */
export async function createFile(path: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await writeFile(path, bytes, link);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function writeFile(
  path: string,
  bytes: Uint8Array,
  place: (fresh: string, path: string) => Promise<void>,
): Promise<void> {
  const folder = resolve(dirname(path));
  const made = await mkdir(folder, { recursive: true });
  // Writers may be several for a moment: each has a name of its own.
  const fresh = `${path}.${randomUUID()}.new`;
  try {
    const file = await open(fresh, "wx", 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
  // Each folder that was made is a new name in the one above.
  const top = made === undefined ? folder : dirname(resolve(made));
  for (let at = folder; at.length >= top.length && at !== dirname(at); at = dirname(at)) {
    await syncFolder(at);
  }
}

/** A new name is durable once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

export async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** Its folder as well, once it is empty. */
async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await rmdir(dirname(path)).catch((error: unknown) => {
    if (!isAbsent(error) && !isFilled(error)) throw error;
  });
}

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
const isAbsent = (error: unknown): boolean => codeOf(error) === "ENOENT";
const isFilled = (error: unknown): boolean =>
  codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST";

function within(root: string, name: string): string {
  const path = resolve(join(root, name));
  assert(path.startsWith(`${root}/`), "a file's name stays in its folder");
  return path;
}

async function away<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof VigError) throw cause;
    throw new VigError("VIG_OBJECTS_AWAY", { why: messageOf(cause) }, { cause });
  }
}
