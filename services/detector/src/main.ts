import { builtAt } from "@vigie/geoip/data";
import { geoPaths, readGeoFiles, tellGeoFiles, watchGeoFiles } from "@vigie/geoip/files";
import { loadConfig } from "@vigie/service-kit/config";
import { tellDataAge } from "@vigie/service-kit/data-age";
import { createHealth, mergeHealth } from "@vigie/service-kit/health";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { geoipPaths } from "@vigie/service-kit/shared-config";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { startWorkers } from "@vigie/service-kit/workers";
import { detectorConfig } from "./config.ts";
import { startRecheck } from "./recheck/service.ts";
import type { DetectorData } from "./worker.ts";

const config = loadConfig(detectorConfig, process);
const log = createLogger("detector", { level: config.LOG_LEVEL });
const paths = geoPaths(geoipPaths(config));
const teller = tellGeoFiles();
let files = await readGeoFiles(paths);
const metrics = createMetrics("detector");
const health = createHealth("detector");
tellDataAge({
  part: "geoip",
  builtAt: () => builtAt(files.data),
  health,
  metrics,
  clock: Date.now,
});
const workers = await startWorkers<DetectorData>({
  service: "detector",
  module: new URL("./worker.ts", import.meta.url),
  count: config.DETECTOR_WORKERS,
  data: { config, geoFiles: files },
  metrics,
  logLevel: config.LOG_LEVEL,
});
// After them: nobody is told of other files who does not listen yet.
const look = () => watch.look();
const recheck = startRecheck({ config, paths, files, look, log, metrics });
const watch = watchGeoFiles(
  paths,
  files,
  (others) => {
    files = others;
    teller.tell(others);
    recheck.changed(others);
  },
  log,
);
const ops = await startOpsServer({
  port: config.METRICS_PORT,
  host: config.HOST,
  metrics: () => workers.metrics(),
  health: async () => mergeHealth("detector", [await workers.health(), health.report()]),
});
log.info({ port: ops.port, workers: config.DETECTOR_WORKERS }, "started");
await runUntilSignal([recheck, workers, watch, teller, ops], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [workers.failed],
});
