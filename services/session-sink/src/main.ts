import { loadConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { startSessionSink } from "./app.ts";
import { sessionSinkConfig } from "./config.ts";

const config = loadConfig(sessionSinkConfig, process);
const log = createLogger("session-sink", { level: config.LOG_LEVEL });
const metrics = createMetrics("session-sink");
const health = createHealth("session-sink");
const ops = await startOpsServer({
  port: config.METRICS_PORT,
  host: config.HOST,
  metrics: () => metrics.registry.metrics(),
  health: () => health.report(),
});
log.info({ metricsPort: ops.port }, "started");
const app = startSessionSink({ config, log, metrics, health });
await runUntilSignal([app, ops], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [app.failed],
});
