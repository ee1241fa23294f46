import { createHash } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { createFile, readOrNull } from "@vigie/service-kit/objects/folder";

/** What a witness has cosigned last of a log. */
export interface WitnessRecord {
  /** How often it was replaced: 0 before the first checkpoint. */
  readonly generation: number;
  /** The note; null before the first. */
  readonly note: string | null;
}

/**
 * The last checkpoint of each log, on disk. Nothing is held in memory: a record is replaced by creating the file of
 * the next generation, which the file system lets one writer do, whether in this process or in another one.
 */
export interface Records {
  read(origin: string): Promise<WitnessRecord>;
  /** Durable once it resolves; false if the record is no longer the one that was read. */
  replace(origin: string, read: WitnessRecord, note: string): Promise<boolean>;
}

/** The folder of a log. Source: C2SP tlog-witness, origin hash. */
export const originHash = (origin: string): string =>
  createHash("sha256").update(origin).digest("hex");

/** Digits of a safe integer, so that names are sorted as numbers are. */
const NAME = /^\d{16}$/;
const nameOf = (generation: number): string => String(generation).padStart(16, "0");

export function openRecords(folder: string): Records {
  const folderOf = (origin: string): string => join(folder, originHash(origin));

  return {
    async read(origin) {
      const path = folderOf(origin);
      for (;;) {
        const newest = (await namesIn(path)).at(-1);
        if (newest === undefined) return { generation: 0, note: null };
        const bytes = await readOrNull(join(path, newest));
        // Gone since it was listed: there is a newer one.
        if (bytes !== null) return { generation: Number(newest), note: bytes.toString("utf8") };
      }
    },
    async replace(origin, { generation }, note) {
      const path = folderOf(origin);
      const name = nameOf(generation + 1);
      if (!(await createFile(join(path, name), Buffer.from(note)))) return false;
      // A writer who was held up may create a file that had been there and was removed: then there are newer ones.
      const names = await namesIn(path);
      for (const older of names.slice(0, -1)) await rm(join(path, older), { force: true });
      return names.at(-1) === name;
    },
  };
}

/** Files of generations, oldest first. */
async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return (await readdir(path)).filter((name) => NAME.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
