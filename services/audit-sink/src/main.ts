import { loadConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { startAuditSink } from "./app.ts";
import { auditSinkConfig } from "./config.ts";

const config = loadConfig(auditSinkConfig, process);
const log = createLogger("audit-sink", { level: config.LOG_LEVEL });
const metrics = createMetrics("audit-sink");
const health = createHealth("audit-sink");
const ops = await startOpsServer({
  port: config.METRICS_PORT,
  host: config.HOST,
  metrics: () => metrics.registry.metrics(),
  health: () => health.report(),
});
log.info({ metricsPort: ops.port }, "started");
const app = startAuditSink({ config, log, metrics, health });
await runUntilSignal([app, ops], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [app.failed],
});
