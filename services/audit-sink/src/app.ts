import { join } from "node:path";
import type { Logger } from "@vigie/core/log";
import { type Clock, SECOND_MS } from "@vigie/core/time";
import { openCodecs } from "@vigie/schemas/codecs";
import type { Health } from "@vigie/service-kit/health";
import { type Job, startJobs } from "@vigie/service-kit/jobs";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import { openFileKeys } from "@vigie/service-kit/kms/file-keys";
import type { Metrics } from "@vigie/service-kit/metrics";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { retryWhileAway } from "@vigie/service-kit/retry";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { startSink } from "@vigie/stream/kafka/sink";
import { createSigner } from "./chain.ts";
import type { AuditSinkConfig } from "./config.ts";
import { checkUnchangeable, ROLE } from "./guard.ts";
import { createSealing } from "./seal.ts";
import { auditTopics, createAuditSink } from "./sink.ts";
import { createAuditStore, GROUP } from "./store.ts";
import { createTold } from "./told.ts";

const SERVICE = "audit-sink";
const PING_EVERY_MS = 5 * SECOND_MS;

export interface AuditSinkParts {
  readonly config: AuditSinkConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly clock?: Clock;
}

interface Started {
  stop(): Promise<void>;
  readonly failed: Promise<Error>;
}

export interface RunningAuditSink extends Started {
  /** Resolves once it is a member of its group. */
  readonly started: Promise<unknown>;
}

/** Starts in the background and waits for the servers that it needs; health says which one is away. */
export function startAuditSink(parts: AuditSinkParts): RunningAuditSink {
  const starting = new AbortController();
  const started = start(parts, starting.signal);
  return {
    started,
    failed: started.then(
      (running) => running.failed,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    ),
    async stop() {
      starting.abort();
      const running = await started.catch(() => null);
      await running?.stop();
    },
  };
}

async function start(parts: AuditSinkParts, signal: AbortSignal): Promise<Started> {
  const { config, log, health } = parts;
  for (const part of ["kafka", "database"]) health.declare(part);
  const database = openDatabase(databaseOptions(config, { name: SERVICE, role: ROLE, log }));
  try {
    const strict = config.NODE_ENV === "production";
    const waiting = { log, signal };
    await retryWhileAway(() => checkUnchangeable(database, { strict, log }), {
      ...waiting,
      what: "database",
      onAway: (error) => health.set("database", false, error.message),
    });
    health.set("database", true);
    return await consume(parts, database, waiting);
  } catch (error) {
    await database.close();
    throw error;
  }
}

async function consume(
  { config, log, metrics, health, clock = Date.now }: AuditSinkParts,
  database: Database,
  waiting: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<Started> {
  const observer = streamObserver(metrics, health, SERVICE);
  const codecs = await openCodecs({
    registryUrl: config.SCHEMA_REGISTRY_URL,
    cacheDir: config.VIGIE_SCHEMA_CACHE_DIR ?? join(config.VIGIE_STATE_DIR, "schemas"),
    prefix: config.VIGIE_TOPIC_PREFIX,
    log,
    observer,
  });
  const keys = openFileKeys(config.VIGIE_KEYS_FILE);
  const signer = createSigner(config.WORM_SIGNING_SECRET);
  const store = createAuditStore(database, createSealing(keys, signer, clock));
  const told = createTold(metrics);
  const { prefix, ...kafka } = kafkaOptions(config);
  const client = openKafka({ ...kafka, clientId: `vigie-${SERVICE}`, log });
  const joinGroup = () =>
    startSink({
      client,
      groupId: prefix + GROUP,
      topics: auditTopics,
      prefix,
      service: SERVICE,
      sink: createAuditSink({ store, codecs, log, observe: told }),
      log,
      observer,
      batchRecordsMax: config.BATCH_RECORDS_MAX,
      batchMs: config.BATCH_MS,
      memberIdFile: join(config.VIGIE_STATE_DIR, `${prefix}${SERVICE}.member`),
      onWriting: (up, why) => health.set("writing", up, why),
    });
  const jobs = startJobs([pingOf(database, health)], log);
  const onAway = (error: Error) => health.set("kafka", false, error.message);
  const running = await retryWhileAway(joinGroup, { ...waiting, what: "kafka", onAway });
  return {
    failed: running.failed,
    async stop() {
      await running.stop();
      await jobs.stop();
      codecs.close();
      await database.close();
    },
  };
}

const pingOf = (database: Database, health: Health): Job => ({
  name: "ping",
  everyMs: PING_EVERY_MS,
  async run() {
    try {
      await database.ping();
      health.set("database", true);
    } catch (error) {
      health.set("database", false, error instanceof Error ? error.message : String(error));
    }
  },
});
