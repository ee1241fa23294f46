import { parentPort, workerData } from "node:worker_threads";
import { assert } from "@vigie/core/assert";
import { messageOf } from "@vigie/core/errors";
import { createHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import { type FromWorker, type ToWorker, type WorkerModule, workerLog } from "./workers.ts";

/** The inside of a worker thread: starts the module, tells how it is, stops when told. */

interface WorkerData {
  readonly service: string;
  readonly logLevel?: string;
  readonly index: number;
  readonly data: unknown;
  readonly module: string;
}

assert(parentPort !== null, "worker-entry runs in a worker thread");
const port = parentPort;
const { service, logLevel, index, data, module } = workerData as WorkerData;
const metrics = createMetrics(service, { processMetrics: false });
const health = createHealth(service);
const log = workerLog(service, logLevel);
const say = (message: FromWorker): void => port.postMessage(message);

const { start } = (await import(module)) as WorkerModule<unknown>;
const running = await start({ index, data, log, metrics, health });

async function tellReport(id: number): Promise<void> {
  const json = await metrics.registry.getMetricsAsJSON();
  say({ told: "report", id, metrics: json, health: health.report() });
}

async function stop(): Promise<void> {
  try {
    await running.stop();
    process.exit(0);
  } catch (error) {
    log.error({ err: error }, "worker_stop_failed");
    process.exit(1);
  }
}

port.on("message", (message: ToWorker) => {
  const done = message.ask === "stop" ? stop() : tellReport(message.id);
  done.catch((error: unknown) => say({ told: "failed", why: messageOf(error) }));
});
running.failed.then(
  (error) => say({ told: "failed", why: messageOf(error) }),
  (error: unknown) => say({ told: "failed", why: messageOf(error) }),
);
say({ told: "ready" });
