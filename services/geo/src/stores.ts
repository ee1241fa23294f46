import type { Logger } from "@vigie/core/log";
import type { Health } from "@vigie/service-kit/health";
import { startJobs } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import { pingJobs } from "@vigie/service-kit/pings";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { kafkaCarrier } from "@vigie/service-kit/postgres/outbox-kafka";
import { startOutboxPublisher } from "@vigie/service-kit/postgres/outbox-publisher";
import { openRedis, type RedisStore } from "@vigie/service-kit/redis/redis";
import type { Closable } from "@vigie/service-kit/shutdown";
import { databaseOptions, redisOptions } from "@vigie/service-kit/store-config";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { GeoConfig } from "./config.ts";
import type { CountryMatrix } from "./countries/countries.ts";
import { followCountries } from "./countries/follow-countries.ts";

export const GEO_ROLE = "vigie_geo";
/** One transactional id for all instances, and none of the edge's: each may end transactions of its own only. */
const GEO_OUTBOX = "vigie.geo.outbox";

export interface StoresOptions {
  readonly config: GeoConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly client: KafkaClient;
  readonly prefix: string;
}

export interface Stores {
  readonly database: Database;
  readonly countries: CountryMatrix;
  readonly redis: RedisStore;
  /** In the order in which they are to be closed. */
  readonly closables: readonly Closable[];
}

/**
 * PostgreSQL with the outbox of preferences, and Redis. Countries are told and detected without them, so health only
 * degrades.
 */
export function openStores({
  config,
  log,
  metrics,
  health,
  client,
  prefix,
}: StoresOptions): Stores {
  for (const part of ["outbox", "countries"]) health.declare(part, { needed: false });
  const role = config.DATABASE_ROLE ?? GEO_ROLE;
  const options = databaseOptions(config, { name: "geo", role, log });
  const database = openDatabase(options);
  const countries = followCountries({
    database: { ...options, applicationName: "vigie-geo-countries" },
    log,
    onState: (up, why) => health.set("countries", up, why),
  });
  const redis = openRedis(redisOptions(config, { name: "geo", log }));
  const outbox = startOutboxPublisher({
    database: { ...options, applicationName: "vigie-geo-outbox" },
    openCarrier: () => kafkaCarrier(client, prefix, GEO_OUTBOX),
    log,
    metrics,
    onState: (up, why) => health.set("outbox", up, why),
  });
  const pings = startJobs(pingJobs({ database, redis }, health), log);
  const closables = [outbox, countries, pings, database, redis];
  return { database, countries, redis, closables };
}
