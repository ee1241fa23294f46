import { given, integer, list, optional, type Parsed, port, url } from "@vigie/service-kit/config";
import {
  eventsConfig,
  jwtConfig,
  kafkaConfig,
  originsConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

/** A CIDR, or one address. Whether it can be read is seen at start. */
const CIDR = /^[0-9A-Fa-f.:]+(\/\d{1,3})?$/;

export const edgeConfig = {
  ...processConfig,
  ...stateConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...jwtConfig,
  ...originsConfig,
  ...eventsConfig,
  // Source: CNF-16.
  PORT: port({ about: "HTTP, with /metrics and health; 0 takes a free one", default: 3034 }),
  REDIS_URL: optional(
    url({ about: "shares rate limits; rediss for TLS", schemes: ["redis", "rediss"] }),
  ),
  TRUSTED_PROXIES: list({
    about: "CIDRs whose X-Forwarded-For counts",
    pattern: CIDR,
    expected: "10.0.0.0/8,2001:db8::/32",
    default: [],
  }),
  BODY_MAX_BYTES: integer({
    about: "body of one event",
    min: 1_024,
    max: 1_048_576,
    // Twice what a record may have: JSON is longer than Avro.
    default: 131_072,
  }),
  BATCH_BODY_MAX_BYTES: integer({
    about: "body of a batch of events",
    min: 1_024,
    max: 16_777_216,
    // 1,000 events of 4 KiB.
    default: 4_194_304,
  }),
  PRODUCE_BUFFER_MAX_BYTES: integer({
    about: "events that wait for the broker; more are refused with 503",
    min: 65_536,
    max: 1_073_741_824,
    default: 67_108_864,
  }),
  PRODUCE_LINGER_MS: integer({
    about: "events are gathered this long into one request to the broker",
    min: 0,
    max: 100,
    // Source: DESIGN: the edge gathers messages for 1-3 ms.
    default: 2,
  }),
  PRODUCE_TIMEOUT_MS: integer({
    about: "an event that the broker has not acknowledged by then is answered 503",
    min: 100,
    // Under the drain limit, so that a stop can wait for it.
    max: 8_000,
    default: 5_000,
  }),
  // Generous by intent (CNF-15): the gateway may hold stricter ones.
  RATE_LIMIT_SERVICE_PER_MINUTE: integer({
    about: "events of one service of one tenant",
    min: 1,
    max: 100_000_000,
    default: 2_000_000,
  }),
  RATE_LIMIT_USER_PER_MINUTE: integer({
    about: "events of one person",
    min: 1,
    max: 1_000_000,
    default: 600,
  }),
  ENV: given(
    optional({
      about: "test switches rate limits off, never in production",
      expected: "test or another word",
      fallback: "(none)",
      parse: (value: string) => ({ value }),
      absent: () => ({ value: "" }),
    }),
    ({ env }) =>
      env.ENV === "test" && env.NODE_ENV === "production"
        ? "is test, which production refuses"
        : null,
  ),
};

export type EdgeConfig = Parsed<typeof edgeConfig>;

/** DEP-24, CNF-15: ENV=test or NODE_ENV=test; with production the configuration is refused before. */
export const limitsAreOff = (config: EdgeConfig): boolean =>
  config.NODE_ENV !== "production" && (config.NODE_ENV === "test" || config.ENV === "test");
