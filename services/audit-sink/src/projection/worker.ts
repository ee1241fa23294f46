import { createOpenLeaves } from "@vigie/service-kit/audit/subjects";
import { startJobs } from "@vigie/service-kit/jobs";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { openDatabase } from "@vigie/service-kit/postgres/database";
import { startInBackground } from "@vigie/service-kit/start-in-background";
import { databaseOptions } from "@vigie/service-kit/store-config";
import type { RunningWorker, WorkerContext } from "@vigie/service-kit/workers";
import { ROLE } from "../guard.ts";
import type { ProjectionConfig } from "./config.ts";
import { projectionJob } from "./job.ts";
import { createProjector } from "./projector.ts";

/** Keeps audit_log behind the leaves on a thread and a connection of its own, so that no append waits for it. */
export async function start(context: WorkerContext<ProjectionConfig>): Promise<RunningWorker> {
  const { data: config, log, metrics, health } = context;
  // It waits for KMS; the thread answers meanwhile.
  return startInBackground(async (signal) => {
    const keys = await awaitKeys(config, { log, health, signal });
    const options = databaseOptions(config, { name: "audit-projection", role: ROLE, log });
    const db = openDatabase({ ...options, poolMax: 1 });
    const projector = createProjector(db, createOpenLeaves(keys));
    const jobs = startJobs([projectionJob(projector, { metrics, log })], log);
    return {
      failed: new Promise<Error>(() => undefined),
      async stop() {
        await jobs.stop();
        await db.close();
      },
    };
  });
}
