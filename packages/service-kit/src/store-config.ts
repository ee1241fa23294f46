import type { Logger } from "@vigie/core/log";
import type { Parsed } from "./config.ts";
import { schemaOf } from "./postgres/connection.ts";
import type { PoolOptions } from "./postgres/database.ts";
import type { RedisOptions } from "./redis/redis.ts";
import type { databaseConfig, prefixConfig, redisConfig } from "./shared-config.ts";

/**
 * What openDatabase takes, of a service's configuration. `role`: with the rights of this role only.
 */
export function databaseOptions(
  config: Parsed<typeof databaseConfig & typeof prefixConfig>,
  service: { readonly name: string; readonly role?: string; readonly log: Logger },
): PoolOptions {
  return {
    url: config.DATABASE_URL,
    caPath: config.DATABASE_SSL_CA,
    applicationName: `vigie-${service.name}`,
    schema: schemaOf(config.VIGIE_TOPIC_PREFIX),
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    poolMax: config.DATABASE_POOL_MAX,
    log: service.log,
    ...(service.role !== undefined && { role: service.role }),
  };
}

/** What openRedis takes, of a service's configuration. */
export function redisOptions(
  config: Parsed<typeof redisConfig & typeof prefixConfig>,
  service: { readonly name: string; readonly log: Logger },
): RedisOptions {
  return {
    url: config.REDIS_URL,
    caPath: config.REDIS_SSL_CA,
    prefix: config.VIGIE_TOPIC_PREFIX,
    connectionName: `vigie-${service.name}`,
    log: service.log,
  };
}
