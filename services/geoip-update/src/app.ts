import type { Logger } from "@vigie/core/log";
import { HOUR_MS } from "@vigie/core/time";
import { openOutbound } from "@vigie/service-kit/http/outbound";
import { startJobs } from "@vigie/service-kit/jobs";
import { runUntilSignal, type SignalSource } from "@vigie/service-kit/shutdown";
import type { GeoipUpdateConfig } from "./config.ts";
import { maxmindSource } from "./maxmind.ts";
import { updateAll } from "./update.ts";

/** Half of what may come out of it. */
const ARCHIVE_BYTES_MAX = 512 * 1_024 ** 2;
/** A server that says nothing for so long is away. */
const SILENCE_MAX_MS = 30_000;

/** Looks once, or until a signal. Resolves with the exit code: 1 when it looked once and one could not be had. */
export async function runUpdater(
  config: GeoipUpdateConfig,
  log: Logger,
  host: SignalSource,
): Promise<number> {
  const { NODE_ENV, MAXMIND_DOWNLOAD_URL: baseUrl, GEOIP_UPDATE_EVERY_HOURS: hours } = config;
  const outbound = openOutbound({
    allowPrivate: NODE_ENV !== "production" && baseUrl.startsWith("http:"),
    timeoutMs: SILENCE_MAX_MS,
    responseBytesMax: ARCHIVE_BYTES_MAX,
  });
  const source = maxmindSource(outbound, {
    accountId: config.MAXMIND_ACCOUNT_ID,
    licenceKey: config.MAXMIND_LICENSE_KEY,
    baseUrl,
    fileHosts: config.MAXMIND_FILE_HOSTS,
  });
  const { MAXMIND_DB_PATH: folder, MAXMIND_EDITIONS: editions } = config;
  const stopping = new AbortController();
  const update = () =>
    updateAll({ source, folder, editions, log, clock: Date.now, signal: stopping.signal });
  if (hours === 0) {
    const { failed } = await update();
    await outbound.close();
    return failed === 0 ? 0 : 1;
  }
  const jobs = startJobs([{ name: "geoip-update", everyMs: hours * HOUR_MS, run: update }], log);
  const abort = { stop: async () => stopping.abort() };
  const drainTimeoutMs = config.DRAIN_TIMEOUT_MS;
  await runUntilSignal([abort, jobs, outbound], { log, drainTimeoutMs, process: host });
  return 0;
}
