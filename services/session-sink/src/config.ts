import { integer, optional, type Parsed, text } from "@vigie/service-kit/config";
import { eventsConfig } from "@vigie/service-kit/shared-config";
import { sinkServiceConfig } from "@vigie/service-kit/sink-service";

export const sessionSinkConfig = {
  ...sinkServiceConfig({ metricsPort: 9103, batchRecordsMax: 4_000 }),
  ...eventsConfig,
  DATABASE_ROLE: optional(
    text({
      about: "role that connections take on; unset: vigie_session_sink",
      pattern: /^[a-z_0-9]{1,63}$/,
      expected: "a role",
    }),
  ),
  SESSION_WAIT_MS: integer({
    about: "a login without a session after this is warned of",
    min: 1_000,
    max: 3_600_000,
    default: 60_000,
  }),
};

export type SessionSinkConfig = Parsed<typeof sessionSinkConfig>;
