import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";

/** SHA-256 over the contents of the files, 64 hexadecimal digits: the same data mounted anew is the same. */
export async function digestOf(paths: readonly string[]): Promise<string> {
  const all = createHash("sha256");
  for (const path of paths) {
    const one = createHash("sha256");
    await pipeline(createReadStream(path), one);
    all.update(one.digest());
  }
  return all.digest("hex");
}

/** Which data the anomalies were last judged by, in a file. */
export interface GeoMark {
  /** Null: not known, on a first start. */
  read(): Promise<string | null>;
  write(digest: string): Promise<void>;
}

export const geoMark = (path: string): GeoMark => ({
  async read() {
    const text = await readFile(path, "utf8").catch(() => null);
    return text === null || !/^[0-9a-f]{64}$/.test(text) ? null : text;
  },
  async write(digest) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, digest);
    await rename(`${path}.new`, path);
  },
});
