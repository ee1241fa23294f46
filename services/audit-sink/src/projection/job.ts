import { messageOf, VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import type { Job } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { Projector } from "./projector.ts";

/** What is appended can be searched so soon, with the time of one step. */
const EVERY_MS = 200;
/** A stop waits for no more. Far behind, the next run goes on at once. */
const STEPS_MAX = 20;

/** Keeps audit_log behind the leaves. It stops at a leaf that is missing or changed, and says so at the highest level. */
export function projectionJob(
  projector: Projector,
  { metrics, log }: { readonly metrics: Metrics; readonly log: Logger },
): Job {
  const lag = metrics.gauge(
    "vigie_audit_projection_lag_leaves",
    "Leaves that audit_log does not show yet",
    [],
    "max",
  );
  return {
    name: "audit_projection",
    everyMs: EVERY_MS,
    async run() {
      try {
        for (let steps = 0; steps < STEPS_MAX; steps++) {
          const { next, size } = await projector.step();
          lag.set(size - next);
          if (next >= size) return;
        }
      } catch (error) {
        if (error instanceof VigError && error.code.startsWith("VIG_AUDIT_LEAF_")) {
          log.fatal({ code: error.code, why: messageOf(error) }, "audit_projection_stopped");
        }
        throw error;
      }
    },
  };
}
