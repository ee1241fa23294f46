import type { Logger } from "@vigie/core/log";
import { type Clock, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { Job } from "@vigie/service-kit/jobs";
import type { Database } from "@vigie/service-kit/postgres/database";
import { type SinkServiceParts, startSinkService } from "@vigie/service-kit/sink-service";
import type { StartedInBackground } from "@vigie/service-kit/start-in-background";
import type { SessionSinkConfig } from "./config.ts";
import { createDecode, sinkTopics } from "./decode.ts";
import { warnOfMissingSessions } from "./missing-sessions.ts";
import { activityPartitions, type Partitions } from "./partitions.ts";
import { applyRetention } from "./retention.ts";
import { createSessionSink } from "./sink.ts";
import { createTold, type Told } from "./told.ts";
import { createUsageCounter } from "./usage.ts";

/** The group by which offsets are stored; the schema keeps installations apart. */
const GROUP = "vigie.session-sink";
export const SINK_ROLE = "vigie_session_sink";

export interface SessionSinkParts extends SinkServiceParts<SessionSinkConfig> {
  readonly clock?: Clock;
}

export function startSessionSink(parts: SessionSinkParts): StartedInBackground {
  const { config, log, metrics, clock = Date.now } = parts;
  return startSinkService(parts, {
    name: "session-sink",
    groupId: GROUP,
    role: config.DATABASE_ROLE ?? SINK_ROLE,
    topics: sinkTopics,
    build({ database, codecs }) {
      const told = createTold(metrics, log, clock);
      const decode = createDecode(codecs, {
        maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
        maxAheadMs: config.MAX_EVENT_AHEAD_MS,
      });
      const partitions = activityPartitions(database);
      const { written } = told;
      return {
        sink: (context) =>
          createSessionSink({
            groupId: GROUP,
            database,
            decode,
            partitions,
            context,
            log,
            written,
          }),
        jobs: jobsOf({ config, database, partitions, told, log, clock }),
        observer: (inner) => told.observer(inner),
      };
    },
  });
}

interface JobParts {
  readonly config: SessionSinkConfig;
  readonly database: Database;
  readonly partitions: Partitions;
  readonly told: Told;
  readonly log: Logger;
  readonly clock: Clock;
}

const COUNT_ACTIVE = `
  select count(*) as active from user_sessions
   where is_active and expires_at > now() at time zone 'utc'`;

/** SES-19: a state says that a session has expired, within a minute or so; nothing else marks it. */
const OVERDUE_AFTER_MS = 5 * MINUTE_MS;
const COUNT_OVERDUE = `
  select count(*) as overdue from user_sessions where is_active and expires_at < $1`;

function jobsOf({ config, database, partitions, told, log, clock }: JobParts): Job[] {
  const countUsage = createUsageCounter({ database, daysLate: config.MAX_EVENT_AGE_DAYS });
  return [
    { name: "usage", everyMs: 10 * MINUTE_MS, run: () => countUsage(clock()) },
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
      name: "overdue",
      everyMs: MINUTE_MS,
      run: async () => {
        const before = new Date(clock() - OVERDUE_AFTER_MS).toISOString();
        const { rows } = await database.query<{ overdue: number }>(COUNT_OVERDUE, [before]);
        const count = rows[0]?.overdue ?? 0;
        told.overdue(count);
        if (count > 0) log.warn({ sessions: count }, "sessions_overdue");
      },
    },
    { name: "partitions", everyMs: HOUR_MS, run: () => partitions.ensureAhead(clock()) },
    {
      name: "retention",
      everyMs: HOUR_MS,
      run: async () => {
        const refused = (tenantId: string, faults: readonly string[]) =>
          log.warn({ tenantId, faults }, "policy_refused");
        const gone = await applyRetention({ database, partitions, nowMs: clock(), refused });
        if (Object.keys(gone).length > 0) log.info({ ...gone }, "retention_applied");
      },
    },
  ];
}
