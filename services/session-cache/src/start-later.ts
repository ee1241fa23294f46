import { setTimeout as pause } from "node:timers/promises";
import { VigError } from "@vigie/core/errors";
import type { RunningCache } from "./app.ts";

const RETRY_MS = 500;

/**
 * Starts as soon as the broker answers; `waiting` hears of every attempt that failed. Stopped before that, there is
 * nothing to drain. Any other error ends it.
 */
export function startLater(
  start: () => Promise<RunningCache>,
  waiting: (error: VigError) => void,
): RunningCache {
  let running: RunningCache | null = null;
  let stopped = false;
  async function attempt(): Promise<Error> {
    for (;;) {
      try {
        const started = await start();
        running = started;
        if (stopped) await started.stop();
        return await started.failed;
      } catch (error) {
        if (!(error instanceof VigError) || !error.retry || stopped) throw error;
        waiting(error);
        await pause(RETRY_MS);
      }
    }
  }
  return {
    failed: attempt().catch((error: unknown) =>
      error instanceof Error ? error : new Error(String(error)),
    ),
    async stop() {
      stopped = true;
      await running?.stop();
    },
  };
}
