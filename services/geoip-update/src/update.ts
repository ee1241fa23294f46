import { createHash, randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import { checkDatabase } from "./check.ts";
import { failed, type GeoIpSource } from "./maxmind.ts";
import { memberOf } from "./tar.ts";

export interface UpdateOptions {
  readonly source: GeoIpSource;
  /** Each database is EDITION.mmdb in it. */
  readonly folder: string;
  readonly editions: readonly string[];
  readonly log: Logger;
  readonly clock: Clock;
  /** Ends it at once; what was begun is removed. */
  readonly signal?: AbortSignal;
  /** Of one edition, all in all. */
  readonly timeoutMs?: number;
  readonly bytesMax?: number;
}

/** Source: DB-IP's city database in npm has 134 MB; eight times that. */
const BYTES_MAX = 1_024 ** 3;
/** 134 MB in this time are 223 kB a second. */
const TIMEOUT_MS = 600_000;

export interface UpdateCounts {
  readonly replaced: number;
  readonly current: number;
  readonly failed: number;
}

/** Brings each edition up to date; one that cannot be had stays as it is, and the others go on. Never throws. */
export async function updateAll(options: UpdateOptions): Promise<UpdateCounts> {
  const counts = { replaced: 0, current: 0, failed: 0 };
  for (const edition of options.editions) {
    if (options.signal?.aborted) break;
    counts[await outcomeOf(edition, options)]++;
  }
  return counts;
}

async function outcomeOf(edition: string, options: UpdateOptions): Promise<keyof UpdateCounts> {
  const { log } = options;
  try {
    const isReplaced = await update(edition, options);
    log.info({ edition }, isReplaced ? "geoip_replaced" : "geoip_current");
    return isReplaced ? "replaced" : "current";
  } catch (error) {
    const code = error instanceof VigError ? error.code : "VIG_GEOIP_UPDATE_FAILED";
    log.error({ edition, code, why: messageOf(error) }, "geoip_update_failed");
    return "failed";
  }
}

/**
 * The file's time is when its data was built: so the next run knows without asking for the data.
 * Returns: whether the file is another one now.
 */
async function update(edition: string, options: UpdateOptions): Promise<boolean> {
  const { source, folder } = options;
  const late = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
  const signal = options.signal === undefined ? late : AbortSignal.any([options.signal, late]);
  await mkdir(folder, { recursive: true });
  await removeLeftovers(options);
  const file = join(folder, `${edition}.mmdb`);
  const builtAtMs = await source.newest(edition, signal);
  if ((await timeOf(file)) === builtAtMs) return false;
  const sha256 = await source.checksum(edition, signal);
  const part = join(folder, `.${edition}.${randomUUID()}${PART}`);
  try {
    await write({ edition, sha256, part, signal }, options);
    checkDatabase(edition, { file: part, bytes: await readFile(part) });
    await utimes(part, new Date(builtAtMs), new Date(builtAtMs));
    await rename(part, file);
    await settle(folder);
    return true;
  } finally {
    await rm(part, { force: true });
  }
}

interface Part {
  readonly edition: string;
  readonly sha256: string;
  readonly part: string;
  readonly signal: AbortSignal;
}

/** The database out of the archive onto the disk. Throws: VIG_GEOIP_UPDATE_FAILED for an archive that is not the one meant. */
async function write(
  { edition, sha256, part, signal }: Part,
  { source, bytesMax = BYTES_MAX }: UpdateOptions,
): Promise<void> {
  const hash = createHash("sha256");
  const hashed = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const member = { name: `${edition}.mmdb`, bytesMax };
  const archive = await source.archive(edition, signal);
  // Opened here: a stream that fails early would make its file after that has been removed.
  await using file = await open(part, "wx");
  try {
    await pipeline(
      archive,
      hashed,
      createGunzip(),
      (unpacked: AsyncIterable<Buffer>) => memberOf(unpacked, member),
      file.createWriteStream({ flush: true }),
    );
  } catch (error) {
    throw failed(edition, messageOf(error), error);
  }
  if (hash.digest("hex") !== sha256) throw failed(edition, "its checksum is another one");
}

/** What a run that was killed began to write. */
const PART = ".part";

async function removeLeftovers({
  folder,
  clock,
  timeoutMs = TIMEOUT_MS,
}: UpdateOptions): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(PART)) continue;
    const path = join(folder, name);
    const atMs = await timeOf(path);
    // Younger ones may be another run's.
    if (atMs !== null && clock() - atMs > timeoutMs) await rm(path, { force: true });
  }
}

async function timeOf(path: string): Promise<number | null> {
  const found = await stat(path).catch(() => null);
  return found === null ? null : found.mtimeMs;
}

/** So that a machine that stops right after keeps the new name. */
async function settle(folder: string): Promise<void> {
  await using handle = await open(folder);
  await handle.sync();
}
