import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Tells whether a store's files can be trusted. Commits are not flushed to disk one by one, so a store that was
 * not closed in order is whole only while the page cache that holds it lives: within one run of the kernel. Each
 * opener leaves a file that names that run and takes it away when it has flushed and closed.
 */
export interface OpenMarker {
  /** Takes the marker away: everything is on disk. */
  clear(): Promise<void>;
}

const MARKER_PREFIX = "open-";
/** A marker that is being written: half of one would name another run. */
const DRAFT_PREFIX = "opening-";

/** Linux names each run of the kernel here; elsewhere no run is known, and an unclean store is not trusted. */
const BOOT_ID_FILE = "/proc/sys/kernel/random/boot_id";

/** Source: errno(3). */
const SHORTAGES: ReadonlySet<unknown> = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/** Whether the process or the machine lacks something for now: that says nothing about the files of a store. */
export const isShortage = (thrown: unknown): boolean =>
  SHORTAGES.has((thrown as NodeJS.ErrnoException).code);

export function currentBootId(): string {
  try {
    return readFileSync(BOOT_ID_FILE, "utf8").trim();
  } catch (thrown) {
    if (isShortage(thrown)) throw thrown;
    return `unknown-${randomUUID()}`;
  }
}

const markersIn = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => name.startsWith(MARKER_PREFIX));

/** Whether nobody has the store open, and whoever had it closed it in order. */
export const isClosed = async (directory: string): Promise<boolean> =>
  (await markersIn(directory)).length === 0;

/** False when somebody had the store open in another run of the kernel and never closed it. */
export async function isTrusted(directory: string, bootId: string): Promise<boolean> {
  for (const name of await markersIn(directory)) {
    const left = await readMarker(join(directory, name));
    if (left !== null && left !== bootId) return false;
  }
  return true;
}

/** null when its opener has taken it away meanwhile: that store was closed in order. */
async function readMarker(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw thrown;
  }
}

/** Leaves a marker, on disk before this resolves, in place of those that earlier openers left. */
export async function leaveMarker(directory: string, bootId: string): Promise<OpenMarker> {
  const earlier = await markersIn(directory);
  const id = randomUUID();
  const path = join(directory, `${MARKER_PREFIX}${id}`);
  const draft = join(directory, `${DRAFT_PREFIX}${id}`);
  try {
    await writeSynced(draft, bootId);
    await rename(draft, path);
  } catch (thrown) {
    await rm(draft, { force: true });
    throw thrown;
  }
  await syncDirectory(directory);
  for (const name of earlier) await rm(join(directory, name), { force: true });
  return {
    clear: async () => {
      await rm(path, { force: true });
      await syncDirectory(directory);
    },
  };
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** An empty directory in place of whatever is there. */
export async function freshDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
}

/** Flushes what the page cache holds of a file. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
