import { randomInt, randomUUID } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { link, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { isShortage, syncFile } from "../state/open-marker.ts";

/** Which segments make a store, oldest first. */
export interface Manifest {
  readonly segments: readonly ListedSegment[];
  /** When something was removed from the store first; null: nothing was. */
  readonly removedAtMs: number | null;
}

export interface ListedSegment {
  readonly name: string;
  /** So much of it counts; null: as many whole frames as there are. */
  readonly bytes: number | null;
}

const NAME = /^manifest-(\d+)$/;
/** What an owner makes; its number first. */
const MADE = /^(?:manifest-)?(\d+)(?:-[\da-f-]+)?\.(?:seg|draft)$/;
/** A folder that was emptied begins with a number of its own, which nobody has who had it open before: 2^40 of them. */
const FIRST_MAX = 2 ** 40;
const nothing: Manifest = { segments: [], removedAtMs: null };

/**
 * The list of a store's segments, and who owns it: each opener begins a manifest of the next number, and whoever has
 * not the highest one has lost the store. So an owner that is thought dead can only change what nobody reads.
 */
export class ManifestFile {
  /** Part of the names of the owner's segments. */
  readonly owner: number;
  private readonly directory: string;

  private constructor(directory: string, owner: number) {
    this.directory = directory;
    this.owner = owner;
  }

  /** Takes the store over; what its owner before had listed, null when nothing can be made of that. */
  static async takeOver(
    directory: string,
  ): Promise<{ readonly file: ManifestFile; readonly before: Manifest | null }> {
    for (;;) {
      const newest = newestIn(await readdir(directory));
      const before = newest === 0 ? nothing : await readManifest(join(directory, nameOf(newest)));
      const file = new ManifestFile(directory, newest === 0 ? randomInt(1, FIRST_MAX) : newest + 1);
      // Somebody else may have taken this number, or a higher one.
      if (!(await file.begin(before ?? nothing)) || !file.isOwned) continue;
      await file.forgetOlder();
      return { file, before };
    }
  }

  /** Whether nobody has taken the store over since. */
  get isOwned(): boolean {
    try {
      return newestIn(readdirSync(this.directory)) === this.owner;
    } catch {
      // Whoever threw the folder away owns what comes next.
      return false;
    }
  }

  /** Replaces the list, all or nothing. */
  async write(manifest: Manifest): Promise<void> {
    const draft = join(this.directory, `${nameOf(this.owner)}.draft`);
    await writeTo(draft, manifest);
    await rename(draft, this.path);
  }

  /** Flushes what the page cache holds of the list, which is gone once somebody has taken the store over. */
  async flush(): Promise<void> {
    try {
      await syncFile(this.path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== "ENOENT") throw thrown;
    }
  }

  /** Of the owner's own segment of this number. */
  segmentName(number: number): string {
    return `${this.owner}-${number}.seg`;
  }

  /**
   * Removes what other owners have left and nobody lists; their numbers may be higher where a folder was emptied in
   * part. An opener whose draft is among it tries again.
   */
  async forgetStrays(listed: readonly string[]): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const maker = Number(MADE.exec(name)?.[1] ?? this.owner);
      if (maker !== this.owner && !listed.includes(name)) this.forget(name);
    }
  }

  /**
   * Removes a file that is not on the list any more. Not once the store has another owner, on whose list it may be:
   * looked up at this very moment, for what went before may have taken as long as a takeover.
   */
  forget(name: string): void {
    if (this.isOwned) rmSync(join(this.directory, name), { force: true });
  }

  private get path(): string {
    return join(this.directory, nameOf(this.owner));
  }

  /** False: somebody else was faster. It is there with its whole content, or not at all. */
  private async begin(before: Manifest): Promise<boolean> {
    const draft = join(this.directory, `${this.owner}-${randomUUID()}.draft`);
    try {
      await writeTo(draft, before);
      await link(draft, this.path);
      return true;
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      // Without its draft: an owner of a higher number has cleared it away.
      if (code === "EEXIST" || code === "ENOENT") return false;
      throw thrown;
    } finally {
      await rm(draft, { force: true });
    }
  }

  private async forgetOlder(): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const number = numberOf(name);
      if (number > 0 && number < this.owner) this.forget(name);
    }
  }
}

async function writeTo(path: string, manifest: Manifest): Promise<void> {
  const file = await open(path, "w");
  try {
    await file.writeFile(JSON.stringify(manifest));
  } finally {
    await file.close();
  }
}

const nameOf = (number: number): string => `manifest-${number}`;
const numberOf = (name: string): number => Number(NAME.exec(name)?.[1] ?? 0);
const newestIn = (names: readonly string[]): number => Math.max(0, ...names.map(numberOf));

/** Of the newest owner; null: none, or none that can be read. */
export async function manifestIn(directory: string): Promise<Manifest | null> {
  const newest = newestIn(await readdir(directory));
  return newest === 0 ? null : readManifest(join(directory, nameOf(newest)));
}

async function readManifest(path: string): Promise<Manifest | null> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Manifest;
  } catch (thrown) {
    if (isShortage(thrown)) throw thrown;
    // It was damaged, or somebody has taken the store over since it was seen.
    return null;
  }
}
