import { readdirSync } from "node:fs";
import { open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";

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
const MADE = /^(?:manifest-)?(\d+)(?:-\d+\.seg|\.draft)$/;
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
      const file = new ManifestFile(directory, newest + 1);
      if (!(await file.begin(before ?? nothing))) continue;
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
    const path = join(this.directory, nameOf(this.owner));
    const draft = `${path}.draft`;
    const file = await open(draft, "w");
    try {
      await file.writeFile(JSON.stringify(manifest));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  }

  /** Of the owner's own segment of this number. */
  segmentName(number: number): string {
    return `${this.owner}-${number}.seg`;
  }

  /** Removes what owners before have left and nobody lists. */
  async forgetStrays(listed: readonly string[]): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const maker = Number(MADE.exec(name)?.[1] ?? this.owner);
      if (maker < this.owner && !listed.includes(name)) await this.remove(name);
    }
  }

  /** False: somebody else was faster. */
  private async begin(before: Manifest): Promise<boolean> {
    try {
      const file = await open(join(this.directory, nameOf(this.owner)), "wx");
      await file.writeFile(JSON.stringify(before));
      await file.close();
      return true;
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "EEXIST") return false;
      throw thrown;
    }
  }

  private async forgetOlder(): Promise<void> {
    for (const name of await readdir(this.directory)) {
      const number = numberOf(name);
      if (number > 0 && number < this.owner) await this.remove(name);
    }
  }

  private remove(name: string): Promise<void> {
    return rm(join(this.directory, name), { force: true });
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
  } catch {
    // An owner that was killed when it took the store over.
    return null;
  }
}
