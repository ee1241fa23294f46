import { setTimeout as pause } from "node:timers/promises";
import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { GeoMark } from "./geo-mark.ts";
import type { RecheckCounts } from "./recheck.ts";

export interface FollowDataOptions {
  readonly mark: GeoMark;
  /** Of the data as it is now. */
  digest(): Promise<string>;
  /** Takes files that were changed since they were last looked at. Returns: whether there were any. */
  refresh(): Promise<boolean>;
  /** Judges by the data as it was last taken. */
  run(signal: AbortSignal): Promise<RecheckCounts>;
  readonly log: Logger;
  /** Told after each run that came to its end. */
  readonly done?: (counts: RecheckCounts) => void;
  /** How long the workers are given to take new data, and to commit what they judged by the old. Default 5 s. */
  readonly settleMs?: number;
  /** After a run that failed. Default 30 s. */
  readonly retryMs?: number;
}

export interface FollowingData {
  /** To be called when the data may have changed. */
  changed(): void;
  close(): Promise<void>;
}

const SETTLE_MS = 5_000;
const RETRY_MS = 30_000;

/** Judges anomalies again whenever the data is another than that of the mark: also when it changed while nobody ran. */
export function followData(options: FollowDataOptions): FollowingData {
  const { log, retryMs = RETRY_MS } = options;
  const closing = new AbortController();
  const { signal } = closing;
  let isDue = false;
  let looking: Promise<void> | null = null;

  async function lookUntilDone(): Promise<void> {
    while (isDue && !signal.aborted) {
      isDue = false;
      try {
        await look(options, signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ why: messageOf(error) }, "geoip_recheck_failed");
        isDue = true;
        await pause(retryMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
  function changed(): void {
    isDue = true;
    looking ??= lookUntilDone().finally(() => {
      looking = null;
    });
  }
  changed();
  return {
    changed,
    async close() {
      closing.abort();
      await looking;
    },
  };
}

async function look(
  { mark, digest, refresh, run, log, done, settleMs = SETTLE_MS }: FollowDataOptions,
  signal: AbortSignal,
): Promise<void> {
  // The data is read whole for its digest, which can wait until a start is over.
  await pause(settleMs, undefined, { signal });
  const now = await digest();
  // Files are often replaced one after the other: what is judged by must not be older than its digest.
  if (await refresh()) await pause(settleMs, undefined, { signal });
  const judged = await mark.read();
  if (judged !== null && judged !== now) {
    const startedMs = performance.now();
    const counts = await run(signal);
    done?.(counts);
    const tookMs = Math.round(performance.now() - startedMs);
    log.info({ ...counts, tookMs }, "geoip_rechecked");
  }
  if (judged === now) return;
  await mark.write(now);
  log.info({ digest: now }, "geoip_noted");
}
