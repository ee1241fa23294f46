import { sessionKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import type { Parsed } from "@vigie/service-kit/config";
import { uuidOf } from "@vigie/service-kit/ids";
import { openDatabase, schemaOf } from "@vigie/service-kit/postgres/database";
import { openRedis } from "@vigie/service-kit/redis/redis";
import { layoutOf } from "@vigie/service-kit/sessions/layout";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import type { databaseConfig, prefixConfig, redisConfig } from "@vigie/service-kit/shared-config";
import type { Person } from "./cast.ts";

type StoresConfig = Parsed<typeof prefixConfig & typeof databaseConfig & typeof redisConfig>;

/** How much of the scenario the stores hold by now. */
export interface Held {
  readonly sessions: number;
  readonly activities: number;
  readonly anomalies: number;
  readonly live: number;
  readonly audited: number;
  /** Leaves of the audit log that the newest signed checkpoint covers. */
  readonly proven: number;
}

export interface Stores {
  count(people: readonly Person[]): Promise<Held>;
  close(): Promise<void>;
}

const COUNTS = `
  select
    (select count(*) from user_sessions
      where session_key = any($1) and ${IS_SESSION}) as sessions,
    (select count(*) from session_activities activity join user_sessions session
        on session.id = activity.session_id where session.session_key = any($1)) as activities,
    (select count(*) from session_anomalies anomaly join user_sessions session
        on session.id = anomaly.session_id where session.session_key = any($1)) as anomalies,
    (select count(*) from audit_log entry join audit_subjects subject
        on subject.ref = entry.subject_ref where subject.user_id = any($2)) as audited,
    (select coalesce(max(size), 0) from audit_checkpoints) as proven`;

/** Reads what the sinks have written, as an operator with the owner's rights would. */
export function openStores(config: StoresConfig): Stores {
  const database = openDatabase({
    url: config.DATABASE_URL,
    caPath: config.DATABASE_SSL_CA,
    schema: schemaOf(config.VIGIE_TOPIC_PREFIX),
    applicationName: "vigie-demo",
    statementTimeoutMs: config.DATABASE_STATEMENT_TIMEOUT_MS,
    poolMax: 1,
    log: silentLogger,
  });
  const redis = openRedis({
    url: config.REDIS_URL,
    caPath: config.REDIS_SSL_CA,
    prefix: config.VIGIE_TOPIC_PREFIX,
    connectionName: "vigie-demo",
    log: silentLogger,
  });
  const layout = layoutOf(redis.key);
  return {
    async count(people) {
      const sessions = people.map(({ sessionId }) => sessionId);
      const users = people.map(({ tenantId, userId }) => uuidOf(tenantId, "user", userId));
      const { rows } = await database.query<Omit<Held, "live">>(COUNTS, [sessions, users]);
      const keys = people.map(({ tenantId, userId, sessionId }) =>
        layout.session(sessionKey(tenantId, userId, sessionId)),
      );
      const live = Number(await redis.command("EXISTS", ...keys));
      const nothing = { sessions: 0, activities: 0, anomalies: 0, audited: 0, proven: 0 };
      const counts = rows[0] ?? nothing;
      return { ...counts, live };
    },
    async close() {
      await Promise.all([database.close(), redis.close()]);
    },
  };
}
