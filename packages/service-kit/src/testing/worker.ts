import type { RunningWorker, WorkerContext } from "../workers.ts";

/** What the tests of workers.ts run: counts, and goes wrong as told. */
export interface TestWorkerData {
  readonly fault?: "start" | "throw" | "failed" | "busy";
  /** The one worker that goes wrong. */
  readonly faultIndex?: number;
}

export async function start(context: WorkerContext<TestWorkerData>): Promise<RunningWorker> {
  const { data, index, metrics, health } = context;
  const fault = index === (data.faultIndex ?? 0) ? data.fault : undefined;
  if (fault === "start") throw new Error("cannot start");
  metrics.counter("test_starts_total", "starts", ["kind"]).inc({ kind: "a" }, index + 1);
  health.set("kafka", fault === undefined, "planted");
  // Keeps the thread alive as a connection would.
  const held = setInterval(() => {}, 1_000);
  const failed = Promise.withResolvers<Error>();
  if (fault === "failed") failed.resolve(new Error("fenced"));
  if (fault === "throw") setImmediate(() => JSON.parse("{"));
  if (fault === "busy") setTimeout(blockThread, 10);
  return {
    stop: async () => clearInterval(held),
    failed: failed.promise,
  };
}

/** Longer than the main thread waits for a report. */
const BUSY_MS = 4_000;

function blockThread(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_MS);
}
