import { limitsAreOff } from "@vigie/service-kit/http-config";
import { startJobs } from "@vigie/service-kit/jobs";
import { pingJobs } from "@vigie/service-kit/pings";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import type { Closable } from "@vigie/service-kit/shutdown";
import { redisOptions } from "@vigie/service-kit/store-config";
import type { Wiring } from "./wiring.ts";

export interface EdgeRedis {
  /** Null without REDIS_URL, or where nobody is limited. */
  readonly redis: RedisStore | null;
  /** In the order in which they are to be closed. */
  readonly closables: readonly Closable[];
}

/** Redis, by which edges share their limits. Each limits alone without it, so health only degrades. */
export function openEdgeRedis({ config, log, health }: Wiring): EdgeRedis {
  const { REDIS_URL } = config;
  if (REDIS_URL === null || limitsAreOff(config)) return { redis: null, closables: [] };
  const redis = openRedis(redisOptions({ ...config, REDIS_URL }, { name: "edge", log }));
  const pings = startJobs(pingJobs({ redis }, health), log);
  return { redis, closables: [pings, redis] };
}
