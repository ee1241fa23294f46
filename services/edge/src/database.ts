import { startJobs } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import { pingJobs } from "@vigie/service-kit/pings";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { kafkaCarrier } from "@vigie/service-kit/postgres/outbox-kafka";
import { startOutboxPublisher } from "@vigie/service-kit/postgres/outbox-publisher";
import type { Closable } from "@vigie/service-kit/shutdown";
import { databaseOptions } from "@vigie/service-kit/store-config";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Wiring } from "./wiring.ts";

export const EDGE_ROLE = "vigie_edge";
/** One transactional id for all edges of an installation, so that the broker fences whoever was before. */
export const EDGE_OUTBOX = "vigie.outbox";

export interface EdgeDatabase {
  /** Null without DATABASE_URL. */
  readonly database: Database | null;
  /** In the order in which they are to be closed. */
  readonly closables: readonly Closable[];
}

/** PostgreSQL and the outbox of what is changed there. Events are taken without it, so health only degrades. */
export function openEdgeDatabase(
  { config, log, health }: Wiring,
  kafka: { readonly client: KafkaClient; readonly prefix: string; readonly metrics: Metrics },
): EdgeDatabase {
  const { DATABASE_URL, DATABASE_ROLE } = config;
  if (DATABASE_URL === null) return { database: null, closables: [] };
  health.declare("outbox", { needed: false });
  const role = DATABASE_ROLE ?? EDGE_ROLE;
  const options = databaseOptions({ ...config, DATABASE_URL }, { name: "edge", role, log });
  const database = openDatabase(options);
  const outbox = startOutboxPublisher({
    database: { ...options, applicationName: "vigie-edge-outbox" },
    openCarrier: () => kafkaCarrier(kafka.client, kafka.prefix, EDGE_OUTBOX),
    log,
    metrics: kafka.metrics,
    onState: (up, why) => health.set("outbox", up, why),
  });
  const jobs = startJobs(pingJobs({ database }, health), log);
  return { database, closables: [outbox, jobs, database] };
}
