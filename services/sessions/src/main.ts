import { DAY_MS } from "@vigie/core/time";
import { openCodecs } from "@vigie/schemas/codecs";
import { loadConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import { awaitKeys } from "@vigie/service-kit/kms/open-keys";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { startLater } from "@vigie/service-kit/start-later";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { startProcessor } from "@vigie/stream/runtime";
import { createSessions } from "./app.ts";
import { sessionsConfig } from "./config.ts";
import { addressDigest } from "./digest.ts";

const config = loadConfig(sessionsConfig, process);
const log = createLogger("sessions", { level: config.LOG_LEVEL });
const metrics = createMetrics("sessions");
const health = createHealth("sessions");
for (const part of ["kafka", "registry", "tasks"]) health.declare(part);
const observer = streamObserver(metrics, health, "sessions");
const kafka = kafkaOptions(config);

const codecs = await openCodecs({
  ...codecsOptions(config),
  log,
  observer,
  registerMissing: config.NODE_ENV !== "production",
});
const ops = await startOpsServer({
  port: config.METRICS_PORT,
  host: config.HOST,
  metrics: () => metrics.registry.metrics(),
  health: () => health.report(),
});
log.info({ port: ops.port }, "started");

// Waits for KMS, the registry and the broker; signals are heard meanwhile.
const running = startLater(async () => {
  const keys = await awaitKeys(config, { log, health });
  const processor = createSessions({
    codecs,
    digest: addressDigest(keys),
    maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
    maxAheadMs: config.MAX_EVENT_AHEAD_MS,
    log,
  });
  await codecs.ready();
  return startProcessor(processor, {
    ...kafka,
    stateDir: config.VIGIE_STATE_DIR,
    log,
    observer,
    createInternalTopics: config.NODE_ENV !== "production",
    maxTaskIdleMs: config.MAX_TASK_IDLE_MS,
    processingError: config.PROCESSING_ERROR,
  });
});
await runUntilSignal([running, { close: async () => codecs.close() }, ops], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [running.failed],
});
