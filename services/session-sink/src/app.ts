import { join } from "node:path";
import type { Logger } from "@vigie/core/log";
import { type Clock, DAY_MS, HOUR_MS, SECOND_MS } from "@vigie/core/time";
import { openCodecs } from "@vigie/schemas/codecs";
import type { Health } from "@vigie/service-kit/health";
import { type Job, startJobs } from "@vigie/service-kit/jobs";
import { kafkaOptions } from "@vigie/service-kit/kafka-config";
import type { Metrics } from "@vigie/service-kit/metrics";
import { type Database, openDatabase } from "@vigie/service-kit/postgres/database";
import { retryWhileAway } from "@vigie/service-kit/retry";
import { databaseOptions } from "@vigie/service-kit/store-config";
import { streamObserver } from "@vigie/service-kit/stream-observer";
import { openKafka } from "@vigie/stream/kafka/client";
import { type SinkContext, startSink } from "@vigie/stream/kafka/sink";
import type { SessionSinkConfig } from "./config.ts";
import { createDecode, sinkTopics } from "./decode.ts";
import { forgetMissingSessions, warnOfMissingSessions } from "./missing-sessions.ts";
import { activityPartitions, type Partitions } from "./partitions.ts";
import { createSessionSink } from "./sink.ts";
import { createTold, type Told } from "./told.ts";

const SERVICE = "session-sink";
/** The group by which offsets are stored; the schema keeps installations apart. */
const GROUP = `vigie.${SERVICE}`;
export const SINK_ROLE = "vigie_session_sink";

export interface SessionSinkParts {
  readonly config: SessionSinkConfig;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly clock?: Clock;
}

export interface RunningSessionSink {
  /** Resolves once it is a member of its group. */
  readonly started: Promise<unknown>;
  /** Writes what is buffered, leaves the group; also ends a start that still waits for a server. */
  stop(): Promise<void>;
  /** Resolves when it cannot go on. */
  readonly failed: Promise<Error>;
}

/**
 * Starts in the background and waits for the servers that it needs; health says which one is away.
 */
export function startSessionSink(parts: SessionSinkParts): RunningSessionSink {
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

interface Started {
  stop(): Promise<void>;
  readonly failed: Promise<Error>;
}

async function start(parts: SessionSinkParts, signal: AbortSignal): Promise<Started> {
  const { config, log, metrics, health, clock = Date.now } = parts;
  for (const part of ["kafka", "database"]) health.declare(part);
  const role = config.DATABASE_ROLE ?? SINK_ROLE;
  const database = openDatabase(databaseOptions(config, { name: SERVICE, role, log }));
  const told = createTold(metrics, log, clock);
  const observer = told.observer(streamObserver(metrics, health, SERVICE));
  const codecs = await openCodecs({
    registryUrl: config.SCHEMA_REGISTRY_URL,
    cacheDir: config.VIGIE_SCHEMA_CACHE_DIR ?? join(config.VIGIE_STATE_DIR, "schemas"),
    prefix: config.VIGIE_TOPIC_PREFIX,
    log,
    observer,
  });
  const decode = createDecode(codecs, {
    maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
    maxAheadMs: config.MAX_EVENT_AHEAD_MS,
  });
  const partitions = activityPartitions(database);
  const { prefix, ...kafka } = kafkaOptions(config);
  const client = openKafka({ ...kafka, clientId: `vigie-${SERVICE}`, log });
  const sinkOf = (context: SinkContext) =>
    createSessionSink({
      groupId: GROUP,
      database,
      decode,
      partitions,
      context,
      log,
      written: told.written,
    });
  const joinGroup = () =>
    startSink({
      client,
      groupId: prefix + GROUP,
      topics: sinkTopics,
      prefix,
      service: SERVICE,
      sink: sinkOf,
      log,
      observer,
      batchRecordsMax: config.BATCH_RECORDS_MAX,
      batchMs: config.BATCH_MS,
      memberIdFile: join(config.VIGIE_STATE_DIR, `${prefix}${SERVICE}.member`),
      onWriting: (up, why) => health.set("writing", up, why),
    });
  const jobs = startJobs(jobsOf({ config, database, partitions, told, health, log, clock }), log);
  const running = await retryWhileAway(joinGroup, {
    log,
    what: "kafka",
    signal,
    onAway: (error) => health.set("kafka", false, error.message),
  });
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

interface JobParts {
  readonly config: SessionSinkConfig;
  readonly database: Database;
  readonly partitions: Partitions;
  readonly told: Told;
  readonly health: Health;
  readonly log: Logger;
  readonly clock: Clock;
}

const COUNT_ACTIVE = `
  select count(*) as active from user_sessions
   where is_active and expires_at > now() at time zone 'utc'`;

function jobsOf({ config, database, partitions, told, health, log, clock }: JobParts): Job[] {
  const ping = async (): Promise<void> => {
    try {
      await database.ping();
      health.set("database", true);
    } catch (error) {
      health.set("database", false, error instanceof Error ? error.message : String(error));
    }
  };
  return [
    { name: "ping", everyMs: 5 * SECOND_MS, run: ping },
    { name: "rate", everyMs: SECOND_MS, run: async () => told.tick() },
    {
      name: "active",
      everyMs: 15 * SECOND_MS,
      run: async () => {
        const { rows } = await database.query<{ active: number }>(COUNT_ACTIVE);
        told.active(rows[0]?.active ?? 0);
      },
    },
    {
      name: "missing-sessions",
      everyMs: Math.max(SECOND_MS, config.SESSION_WAIT_MS / 4),
      run: async () => {
        told.missing(await warnOfMissingSessions(database, config.SESSION_WAIT_MS, log));
      },
    },
    {
      name: "partitions",
      everyMs: HOUR_MS,
      run: async () => {
        await partitions.ensureAhead(clock());
        const dropped = await partitions.dropOlderThan(config.ACTIVITY_RETENTION_DAYS, clock());
        await forgetMissingSessions(database, config.ACTIVITY_RETENTION_DAYS);
        if (dropped > 0) log.info({ dropped }, "activity_days_dropped");
      },
    },
  ];
}
