import { integer, optional, type Parsed, port, text } from "@vigie/service-kit/config";
import {
  instanceConfig,
  produceConfig,
  proxiesConfig,
  rateLimitConfig,
  tokenConfig,
} from "@vigie/service-kit/http-config";
import {
  databaseConfig,
  geoipConfig,
  kafkaConfig,
  keysConfig,
  originsConfig,
  processConfig,
  redisConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";
import { ussdConfig } from "./ussd/config.ts";

export const geoConfig = {
  ...processConfig,
  ...stateConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...databaseConfig,
  ...redisConfig,
  ...tokenConfig,
  ...originsConfig,
  ...proxiesConfig,
  ...rateLimitConfig,
  ...produceConfig,
  ...instanceConfig,
  ...keysConfig,
  ...geoipConfig,
  ...ussdConfig,
  // Source: CNF-16.
  PORT: port({ about: "HTTP, with /metrics and health; 0 takes a free one", default: 3009 }),
  DATABASE_ROLE: optional(
    text({
      about: "role that connections take on; unset: vigie_geo",
      pattern: /^[a-z_0-9]{1,63}$/,
      expected: "a role",
    }),
  ),
  BODY_MAX_BYTES: integer({
    about: "body of one call",
    min: 1_024,
    max: 1_048_576,
    // What is sent here are names, numbers and a callback's form.
    default: 16_384,
  }),
  RATE_LIMIT_ADDRESS_PER_MINUTE: integer({
    about: "calls without a token of one address, or one /64 of IPv6",
    min: 1,
    max: 100_000_000,
    // An operator puts thousands of phones behind one address.
    default: 6_000,
  }),
  GEO_EVENTS_KEPT_DAYS: integer({
    about: "so long a person's own record of their places goes back",
    min: 1,
    max: 3_650,
    // As long as activities of sessions.
    default: 90,
  }),
};

export type GeoConfig = Parsed<typeof geoConfig>;
