import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { SECOND_MS } from "@vigie/core/time";
import { openCodecs } from "@vigie/schemas/codecs";
import type { SessionState } from "@vigie/schemas/types";
import { startJobs } from "@vigie/service-kit/jobs";
import { codecsOptions, kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Metrics } from "@vigie/service-kit/metrics";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { retryWhileAway } from "@vigie/service-kit/retry";
import type { SinkServiceParts } from "@vigie/service-kit/sink-service";
import {
  type Running,
  type StartedInBackground,
  startInBackground,
} from "@vigie/service-kit/start-in-background";
import { redisOptions } from "@vigie/service-kit/store-config";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { startSessionCache } from "./app.ts";
import { createSessionCache, type SessionCache } from "./cache.ts";
import { STATE_TOPIC } from "./cache-sink.ts";
import type { SessionCacheConfig } from "./config.ts";

const NAME = "session-cache";

type Parts = SinkServiceParts<SessionCacheConfig>;

/** Waits for the servers that it needs; health says which one is away. */
export const startCacheService = (parts: Parts): StartedInBackground =>
  startInBackground((signal) => start(parts, signal));

async function start(
  { config, log, metrics, health }: Parts,
  signal: AbortSignal,
): Promise<Running> {
  for (const part of ["kafka", "redis"]) health.declare(part);
  const observer = streamObserver(metrics, health, NAME);
  const { prefix, ...reach } = kafkaOptions(config);
  const stateDir = join(config.VIGIE_STATE_DIR, `${prefix}${NAME}`);
  mkdirSync(stateDir, { recursive: true });
  const client = openKafka({ ...reach, clientId: `vigie.${NAME}`, log });
  const codecs = await openCodecs({ ...codecsOptions(config), log, observer });
  const redis = openRedis(redisOptions(config, { name: NAME, log }));
  const cache = createSessionCache(redis);
  const jobs = startJobs([countOf(cache, metrics)], log);
  const close = async (): Promise<void> => {
    await jobs.stop();
    codecs.close();
    await redis.close();
  };
  const fill = () =>
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
  const onAway = (error: Error) => health.set("kafka", false, error.message);
  try {
    const running = await retryWhileAway(fill, { log, what: "kafka", signal, onAway });
    return {
      failed: running.failed,
      async stop() {
        await running.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function countOf(cache: SessionCache, metrics: Metrics) {
  const live = metrics.gauge("vigie_redis_live_sessions", "Live sessions in Redis", [], "max");
  return {
    name: "live",
    everyMs: 15 * SECOND_MS,
    run: async () => live.set(await cache.countActive()),
  };
}
