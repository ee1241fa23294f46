import { messageOf } from "@vigie/core/errors";
import { SECOND_MS } from "@vigie/core/time";
import { startJobs } from "@vigie/service-kit/jobs";
import type { Metrics } from "@vigie/service-kit/metrics";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { kafkaCarrier } from "@vigie/service-kit/postgres/outbox-kafka";
import { startOutboxPublisher } from "@vigie/service-kit/postgres/outbox-publisher";
import type { Closable } from "@vigie/service-kit/shutdown";
import { databaseOptions } from "@vigie/service-kit/store-config";
import type { KafkaClient } from "@vigie/stream/kafka/client";
import type { Wiring } from "./wiring.ts";

export const EDGE_ROLE = "vigie_edge";
const PING_EVERY_MS = 5 * SECOND_MS;

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
  for (const part of ["database", "outbox"]) health.declare(part, { needed: false });
  const role = DATABASE_ROLE ?? EDGE_ROLE;
  const options = databaseOptions({ ...config, DATABASE_URL }, { name: "edge", role, log });
  const database = openDatabase(options);
  const outbox = startOutboxPublisher({
    database: { ...options, applicationName: "vigie-edge-outbox" },
    openCarrier: () => kafkaCarrier(kafka.client, kafka.prefix),
    log,
    metrics: kafka.metrics,
    onState: (up, why) => health.set("outbox", up, why),
  });
  const ping = (): Promise<void> =>
    database.ping().then(
      () => health.set("database", true),
      (error: unknown) => health.set("database", false, messageOf(error)),
    );
  const jobs = startJobs([{ name: "ping", everyMs: PING_EVERY_MS, run: ping }], log);
  return { database, closables: [outbox, jobs, database] };
}
