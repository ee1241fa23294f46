import { integer, optional, type Parsed, text } from "@vigie/service-kit/config";
import {
  databaseConfig,
  eventsConfig,
  kafkaConfig,
  metricsPortConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

/** Late events and a backlog of the input topics' retention must still find their day. */
const RETENTION_DAYS_MIN = 40;

export const sessionSinkConfig = {
  ...processConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...databaseConfig,
  ...stateConfig,
  ...eventsConfig,
  ...metricsPortConfig(9103),
  DATABASE_ROLE: optional(
    text({
      about: "role that connections take on; unset: vigie_session_sink",
      pattern: /^[a-z_0-9]{1,63}$/,
      expected: "a role",
    }),
  ),
  ACTIVITY_RETENTION_DAYS: integer({
    about: "activities are kept so long",
    min: RETENTION_DAYS_MIN,
    max: 3_650,
    default: 90,
  }),
  BATCH_RECORDS_MAX: integer({
    about: "records of one transaction",
    min: 1,
    max: 20_000,
    default: 4_000,
  }),
  BATCH_MS: integer({
    about: "a transaction waits so long for more records",
    min: 0,
    max: 5_000,
    default: 20,
  }),
  SESSION_WAIT_MS: integer({
    about: "a login without a session after this is warned of",
    min: 1_000,
    max: 3_600_000,
    default: 60_000,
  }),
};

export type SessionSinkConfig = Parsed<typeof sessionSinkConfig>;
