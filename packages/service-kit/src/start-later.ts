import type { RunningProcessor } from "@vigie/stream/runtime";

/** A processor whose start may have to wait for servers. Stopped before that, it has nothing to drain. */
export function startLater(start: () => Promise<RunningProcessor>): RunningProcessor {
  let running: RunningProcessor | null = null;
  const failed = start().then(
    (started) => {
      running = started;
      return started.failed;
    },
    (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
  );
  return { failed, stop: async () => running?.stop() };
}
