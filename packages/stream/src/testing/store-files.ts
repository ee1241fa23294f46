import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Checkpoint, StateStore } from "../state/store.ts";

/** A folder for a store, gone afterwards. */
export async function withStoreDir<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "vigie-store-"));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export const checkpointAt = (changelogOffset: number): Checkpoint => ({
  clusterId: "cluster-1",
  changelogOffset,
  inputOffsets: { "t.deposits": changelogOffset },
  writtenAtMs: 0,
});

/** A write of texts; null forgets a key. */
export const writeTexts = (
  store: StateStore,
  at: number,
  texts: Readonly<Record<string, string | null>>,
): Promise<void> => {
  const changes = Object.entries(texts).map(
    ([key, text]) => [key, text === null ? null : Buffer.from(text)] as const,
  );
  return store.write(new Map(changes), checkpointAt(at));
};

/** What a store holds, as texts in the order of their keys, and how far it is. */
export function contentOf(store: StateStore) {
  const texts = [...store.entries()].map(
    ([key, bytes]) => [key, Buffer.from(bytes).toString()] as const,
  );
  return {
    at: store.checkpoint()?.changelogOffset ?? null,
    texts: Object.fromEntries(texts.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** Files below a folder that this process has open. */
export const openFilesIn = (directory: string): string[] =>
  readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      // The one that listed them.
      return [];
    }
  });

/** What becomes of a call that writes: it is done, or half of it is, and then it fails as on a full disk. */
export type WriteFate = "done" | "half";
export type WriteCall = "write" | "writeFile";

interface Writes {
  write(bytes: Buffer, from: number, length: number, at: number): Promise<unknown>;
  writeFile(text: string): Promise<void>;
}

/** While `work` goes on, each call that writes to a file asks `fateOf` first. */
export async function withWriteFates<T>(
  fateOf: (call: WriteCall) => WriteFate | Promise<WriteFate>,
  work: () => Promise<T>,
): Promise<T> {
  const probe = await open(process.execPath, "r");
  const files = Object.getPrototypeOf(probe) as Writes;
  await probe.close();
  const { write, writeFile } = files;
  files.write = async function (bytes, from, length, at) {
    if ((await fateOf("write")) === "done") return write.call(this, bytes, from, length, at);
    await write.call(this, bytes, from, length >> 1, at);
    throw diskIsFull();
  };
  files.writeFile = async function (text) {
    if ((await fateOf("writeFile")) === "done") return writeFile.call(this, text);
    await writeFile.call(this, text.slice(0, text.length >> 1));
    throw diskIsFull();
  };
  try {
    return await work();
  } finally {
    Object.assign(files, { write, writeFile });
  }
}

const diskIsFull = (): Error =>
  Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
