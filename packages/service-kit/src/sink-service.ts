import { join } from "node:path";
import { messageOf } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { SECOND_MS } from "@vigie/core/time";
import { type Codecs, openCodecs } from "@vigie/schemas/codecs";
import { openKafka } from "@vigie/stream/kafka/client";
import { type RunningSink, type Sink, type SinkContext, startSink } from "@vigie/stream/kafka/sink";
import type { StreamObserver } from "@vigie/stream/observer";
import { integer, type Parsed } from "./config.ts";
import { createHealth, type Health, mergeHealth } from "./health.ts";
import { type Job, startJobs } from "./jobs.ts";
import { codecsOptions, kafkaOptions } from "./kafka-config.ts";
import { createLogger } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { startOpsServer } from "./ops-server.ts";
import { type Database, openDatabase } from "./postgres/database.ts";
import { retryWhileAway } from "./retry.ts";
import {
  databaseConfig,
  kafkaConfig,
  metricsPortConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "./shared-config.ts";
import { runUntilSignal } from "./shutdown.ts";
import {
  type Running,
  type StartedInBackground,
  startInBackground,
} from "./start-in-background.ts";
import { databaseOptions } from "./store-config.ts";
import { streamObserver } from "./stream-observer.ts";
import { startWorkers, type Workers, type WorkersOptions } from "./workers.ts";

/** What every sink into PostgreSQL is configured by. */
export const sinkServiceConfig = (fallback: {
  readonly metricsPort: number;
  readonly batchRecordsMax: number;
}) => ({
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...databaseConfig,
  ...stateConfig,
  ...metricsPortConfig(fallback.metricsPort),
  BATCH_RECORDS_MAX: integer({
    about: "records of one transaction",
    min: 1,
    max: 20_000,
    default: fallback.batchRecordsMax,
  }),
  BATCH_MS: integer({
    about: "a transaction waits so long for more records",
    min: 0,
    max: 5_000,
    default: 20,
  }),
});
export type SinkServiceConfig = Parsed<ReturnType<typeof sinkServiceConfig>>;

type SinkProcessConfig = Parsed<typeof processConfig & ReturnType<typeof metricsPortConfig>>;

export interface SinkServiceParts<C extends SinkProcessConfig = SinkServiceConfig> {
  readonly config: C;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
}

/** What a sink is made of. */
export interface SinkServiceSpec {
  readonly name: string;
  /** Without the installation's prefix. */
  readonly groupId: string;
  /** The role that connections take on. */
  readonly role: string;
  /** Catalogue names. */
  readonly topics: readonly string[];
  /** Before anything is read; tried again while the database is away. */
  readonly prepare?: (database: Database) => Promise<void>;
  readonly build: (opened: {
    readonly database: Database;
    readonly codecs: Codecs;
    /** Ends what a build has to wait for. */
    readonly signal: AbortSignal;
  }) => BuiltSink | Promise<BuiltSink>;
}

export interface BuiltSink {
  readonly sink: (context: SinkContext) => Sink;
  readonly jobs?: readonly Job[];
  /** The observer of the reader, should the sink know more of outcomes than the reader does. */
  readonly observer?: (inner: StreamObserver) => StreamObserver;
  /** Ends what was started beside the sink: after it, and before the database is closed. */
  readonly stop?: () => Promise<void>;
}

/**
 * Reads topics into PostgreSQL. Starts in the background and waits for the servers that it needs; health says which
 * one is away. Stopping writes what is buffered and leaves the group.
 */
export const startSinkService = (
  parts: SinkServiceParts,
  spec: SinkServiceSpec,
): StartedInBackground => startInBackground((signal) => start(parts, spec, signal));

async function start(
  parts: SinkServiceParts,
  spec: SinkServiceSpec,
  signal: AbortSignal,
): Promise<Running> {
  const { config, log, health } = parts;
  for (const part of ["kafka", "database"]) health.declare(part);
  const database = openDatabase(databaseOptions(config, { ...spec, log }));
  try {
    const { prepare } = spec;
    if (prepare !== undefined) {
      const onAway = (error: Error) => health.set("database", false, error.message);
      const waiting = { log, signal, what: "database", onAway };
      await retryWhileAway(() => prepare(database), waiting);
      health.set("database", true);
    }
    return await consume(parts, spec, { database, signal });
  } catch (error) {
    await database.close();
    throw error;
  }
}

interface Opened {
  readonly database: Database;
  readonly signal: AbortSignal;
}

async function consume(
  { config, log, metrics, health }: SinkServiceParts,
  spec: SinkServiceSpec,
  { database, signal }: Opened,
): Promise<Running> {
  const { name } = spec;
  const { prefix, ...kafka } = kafkaOptions(config);
  const observer = streamObserver(metrics, health, name);
  const codecs = await openCodecs({
    ...codecsOptions(config),
    log,
    observer,
  });
  const built = await buildOf(spec, { database, codecs, signal });
  const { sink, jobs = [], observer: wrap = (inner) => inner } = built;
  const joinGroup = (): Promise<RunningSink> =>
    startSink({
      client: openKafka({ ...kafka, clientId: `vigie-${name}`, log }),
      groupId: prefix + spec.groupId,
      topics: spec.topics,
      prefix,
      service: name,
      sink,
      log,
      observer: wrap(observer),
      batchRecordsMax: config.BATCH_RECORDS_MAX,
      batchMs: config.BATCH_MS,
      memberIdFile: join(config.VIGIE_STATE_DIR, `${prefix}${name}.member`),
      onWriting: (up, why) => health.set("writing", up, why),
    });
  const background = startJobs([pingOf(database, health), ...jobs], log);
  const onAway = (error: Error) => health.set("kafka", false, error.message);
  try {
    const running = await retryWhileAway(joinGroup, { log, signal, what: "kafka", onAway });
    return {
      failed: running.failed,
      async stop() {
        await running.stop();
        await built.stop?.();
        await background.stop();
        codecs.close();
        await database.close();
      },
    };
  } catch (error) {
    await built.stop?.();
    await background.stop();
    codecs.close();
    throw error;
  }
}

type Build = SinkServiceSpec["build"];

/** What is built; the codecs are closed if it cannot be. */
async function buildOf(spec: SinkServiceSpec, opened: Parameters<Build>[0]): Promise<BuiltSink> {
  try {
    return await spec.build(opened);
  } catch (error) {
    opened.codecs.close();
    throw error;
  }
}

const pingOf = (database: Database, health: Health): Job => ({
  name: "ping",
  everyMs: 5 * SECOND_MS,
  async run() {
    try {
      await database.ping();
      health.set("database", true);
    } catch (error) {
      health.set("database", false, messageOf(error));
    }
  },
});

/** Work of a sink that would take its thread's time: see WorkersOptions. */
export type Beside = Pick<WorkersOptions<unknown>, "module" | "data">;

/** A sink as a process of its own: log, metrics and health, until a signal comes. `beside`: on a second thread. */
export async function runSinkService<C extends SinkProcessConfig>(
  name: string,
  config: C,
  startService: (parts: SinkServiceParts<C>) => Running,
  beside?: Beside,
): Promise<void> {
  const log = createLogger(name, { level: config.LOG_LEVEL });
  const metrics = createMetrics(name);
  const health = createHealth(name);
  const workers =
    beside === undefined
      ? noWorkers(metrics)
      : startSecond({ service: name, logLevel: config.LOG_LEVEL, metrics, ...beside });
  const ops = await startOpsServer({
    port: config.METRICS_PORT,
    host: config.HOST,
    metrics: () => workers.metrics(),
    health: async () => mergeHealth(name, [health.report(), await workers.health()]),
  });
  log.info({ metricsPort: ops.port }, "started");
  const running = startService({ config, log, metrics, health });
  await runUntilSignal([running, workers, ops], {
    log,
    drainTimeoutMs: config.DRAIN_TIMEOUT_MS,
    failed: [running.failed, workers.failed],
  });
}

/** The sink does not wait until the thread has loaded; who asks how it is does. */
function startSecond(options: Omit<WorkersOptions<unknown>, "count">): Workers {
  const starting = startWorkers({ ...options, count: 1 });
  return {
    metrics: async () => (await starting).metrics(),
    health: async () => (await starting).health(),
    async stop() {
      await (await starting.catch(() => null))?.stop();
    },
    failed: starting.then(
      (workers) => workers.failed,
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    ),
  };
}

const noWorkers = (metrics: Metrics): Workers => ({
  metrics: () => metrics.registry.metrics(),
  health: async () => mergeHealth(metrics.service, []),
  stop: async () => undefined,
  failed: new Promise(() => undefined),
});
