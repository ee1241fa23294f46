import type { Logger } from "@vigie/core/log";
import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import { startJobs } from "@vigie/service-kit/jobs";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Metrics } from "@vigie/service-kit/metrics";
import { openDatabase, type PoolOptions } from "@vigie/service-kit/postgres/database";
import { projectionJob } from "./job.ts";
import { createProjector } from "./projector.ts";

export interface ProjectionParts {
  readonly database: PoolOptions;
  readonly keys: Keys;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Keeps audit_log behind the leaves on a connection of its own, so that no append waits for it. */
export function startProjection({ database, keys, log, metrics }: ProjectionParts) {
  const db = openDatabase({ ...database, poolMax: 1 });
  const projector = createProjector(db, createOpenLeaves(keys));
  const jobs = startJobs([projectionJob(projector, { metrics, log })], log);
  return {
    async stop(): Promise<void> {
      await jobs.stop();
      await db.close();
    },
  };
}
