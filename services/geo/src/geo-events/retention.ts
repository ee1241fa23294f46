import { HOUR_MS } from "@vigie/core/time";
import type { Job } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { Database } from "@vigie/service-kit/postgres/database";

/** Rows of one statement: some ms of locks. */
const ROWS_MAX = 5_000;
const DELETE = "select delete_old_geo_events(make_interval(days => $1), $2)::float8 as deleted";

export interface EventRetentionParts {
  readonly database: Database;
  readonly metrics: Metrics;
  readonly keptDays: number;
  /** Default 5,000. */
  readonly rowsMax?: number;
}

/** PRV-13: deletes what is older than events are kept. Every instance runs it: a second one finds nothing. */
export function eventRetentionJob(parts: EventRetentionParts): Job {
  const { database, metrics, keptDays, rowsMax = ROWS_MAX } = parts;
  const counter = metrics.counter(
    "geo_events_deleted_total",
    "Events of people's own records deleted for their age",
  );
  return {
    name: "geo_event_retention",
    everyMs: HOUR_MS,
    async run() {
      for (let deleted = rowsMax; deleted === rowsMax; ) {
        const { rows } = await database.query<{ deleted: number }>(DELETE, [keptDays, rowsMax]);
        deleted = rows[0]?.deleted ?? 0;
        counter.inc(deleted);
      }
    },
  };
}
