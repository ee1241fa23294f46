import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { openCodecs } from "@vigie/schemas/codecs";
import type { SessionState } from "@vigie/schemas/types";
import { loadConfig } from "@vigie/service-kit/config";
import { createHealth } from "@vigie/service-kit/health";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import { createLogger } from "@vigie/service-kit/log";
import { createMetrics } from "@vigie/service-kit/metrics";
import { startOpsServer } from "@vigie/service-kit/ops-server";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { retryWhileAway } from "@vigie/service-kit/retry";
import { runUntilSignal } from "@vigie/service-kit/shutdown";
import { startInBackground } from "@vigie/service-kit/start-in-background";
import { redisOptions } from "@vigie/service-kit/store-config";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { startSessionCache } from "./app.ts";
import { createSessionCache } from "./cache.ts";
import { STATE_TOPIC } from "./cache-sink.ts";
import { sessionCacheConfig } from "./config.ts";

const config = loadConfig(sessionCacheConfig, process);
const log = createLogger("session-cache", { level: config.LOG_LEVEL });
const metrics = createMetrics("session-cache");
const health = createHealth("session-cache");
for (const part of ["kafka", "redis"]) health.declare(part);
const observer = streamObserver(metrics, health, "session-cache");
const { prefix, ...reach } = kafkaOptions(config);
const stateDir = join(config.VIGIE_STATE_DIR, `${prefix}session-cache`);
mkdirSync(stateDir, { recursive: true });

const client = openKafka({ ...reach, clientId: "vigie.session-cache", log });
const codecs = await openCodecs({
  registryUrl: config.SCHEMA_REGISTRY_URL,
  cacheDir: config.VIGIE_SCHEMA_CACHE_DIR ?? join(config.VIGIE_STATE_DIR, "schemas"),
  prefix,
  log,
  observer,
});
const redis = openRedis(redisOptions(config, { name: "session-cache", log }));
const cache = createSessionCache(redis);
const live = metrics.gauge("vigie_redis_live_sessions", "Live sessions in Redis", [], "max");
const ops = await startOpsServer({
  port: config.METRICS_PORT,
  host: config.HOST,
  metrics: async () => {
    await cache.countActive().then(
      (count) => live.set(count),
      // While Redis is away the last count stands, and health says so.
      () => undefined,
    );
    return metrics.registry.metrics();
  },
  health: () => health.report(),
});
log.info({ port: ops.port }, "started");

// Waits for the broker; signals are heard meanwhile.
const start = () =>
  startSessionCache({
    client,
    prefix,
    memberIdFile: join(stateDir, "member"),
    cache,
    decoder: codecs.decoder<SessionState>(STATE_TOPIC),
    log,
    observer,
    onStore: (up, why) => health.set("redis", up, why),
    onWriting: (up, why) => health.set("writing", up, why),
  });
const onAway = (error: Error) =>
  observer.dependency({ name: "kafka", up: false, why: error.message });
const running = startInBackground((signal) =>
  retryWhileAway(start, { log, what: "kafka", signal, onAway }),
);
await runUntilSignal([running, { close: async () => codecs.close() }, redis, ops], {
  log,
  drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
  failed: [running.failed],
});
