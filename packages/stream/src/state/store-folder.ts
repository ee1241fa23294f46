import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, DAY_MS } from "@vigie/core/time";
import {
  currentBootId,
  freshDirectory,
  isClosed,
  isTrusted,
  leaveMarker,
  type OpenMarker,
} from "./open-marker.ts";

/**
 * What was removed from a store stays in its file until the place is used again. A store that is opened this long after
 * its first removal is begun anew, and restored from the changelog, which has let go of it by then: lag, segment and
 * tombstone, a day each.
 */
const REMOVED_KEPT_MS = 3 * DAY_MS;

/** The files of each kind of store. */
const FILES = { lmdb: /^(?:data|lock)\.mdb$/, log: /^manifest-|\.seg$|\.draft$/ } as const;

export interface FolderOptions {
  /** Names the run of the kernel; tests pass another one. */
  readonly bootId?: string;
  /** Default: Date.now. */
  readonly clock?: Clock;
}

/** One kind of store, as far as its folder goes. */
export interface FolderKind {
  readonly name: keyof typeof FILES;
  /** False when opening what lies there would end the process; a store that only holds nothing usable says so itself. */
  isReadable(directory: string): Promise<boolean>;
  /** When something was removed first from the store that lies there; null: never, or there is none. */
  removedAtMs(directory: string): Promise<number | null>;
}

/**
 * Makes a folder ready for a store of this kind to be opened in it. One that cannot be trusted or read, or holds what
 * was removed too long ago, is emptied; so are the files of another kind, which nobody would read, and which would keep
 * what is removed from now on.
 */
export async function takeFolder(
  directory: string,
  kind: FolderKind,
  { bootId = currentBootId(), clock = Date.now }: FolderOptions,
): Promise<OpenMarker> {
  await mkdir(directory, { recursive: true });
  const isUsable = async (): Promise<boolean> => {
    if (!(await isTrusted(directory, bootId)) || !(await kind.isReadable(directory))) return false;
    if (!(await isClosed(directory))) return true;
    const removedAtMs = await kind.removedAtMs(directory);
    return removedAtMs === null || removedAtMs > clock() - REMOVED_KEPT_MS;
  };
  if (!(await isUsable())) await freshDirectory(directory);
  const marker = await leaveMarker(directory, bootId);
  const others = Object.entries(FILES).flatMap(([name, its]) => (name === kind.name ? [] : its));
  for (const name of await readdir(directory)) {
    if (others.some((its) => its.test(name))) await rm(join(directory, name), { force: true });
  }
  return marker;
}
