import { messageOf } from "@vigie/core/errors";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import type { Health } from "@vigie/service-kit/health";
import type { Job } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { Database } from "@vigie/service-kit/postgres/database";
import { PURGE_EVERY_MS } from "./vault.ts";

export interface PurgeOptions {
  readonly database: Database;
  readonly clock: Clock;
  readonly health: Health;
  readonly metrics: Metrics;
}

/** The name of the job and of its part in health. */
const NAME = "gps_purge";
/** A database that was away for a moment does not leave health without it for five minutes. */
const RETRY_MS = 10 * SECOND_MS;
const PURGE = "select purge_expired_gps() as purged";

/**
 * PRV-08: deletes what has expired. Each run is a row of molam_gps_purges, written by the function that deletes. Every
 * instance runs it: a second one finds nothing.
 */
export function purgeJob({ database, clock, health, metrics }: PurgeOptions): Job {
  health.declare(NAME, { needed: false });
  const purged = metrics.counter("gps_purged_total", "Positions deleted because they had expired");
  const ranAt = metrics.gauge(
    "gps_purge_last_run_timestamp_seconds",
    "When expired positions were last deleted, in seconds since the epoch",
    [],
    "max",
  );
  return {
    name: NAME,
    everyMs: PURGE_EVERY_MS,
    retryMs: RETRY_MS,
    async run() {
      try {
        const { rows } = await database.query<{ readonly purged: number }>(PURGE);
        purged.inc(rows[0]?.purged ?? 0);
        ranAt.set(clock() / 1_000);
        health.set(NAME, true);
      } catch (error) {
        health.set(NAME, false, messageOf(error));
        throw error;
      }
    },
  };
}
