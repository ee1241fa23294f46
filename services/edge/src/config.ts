import { integer, list, optional, type Parsed, port, text } from "@vigie/service-kit/config";
import {
  instanceConfig,
  produceConfig,
  proxiesConfig,
  rateLimitConfig,
  redisOrLessConfig,
  tokenConfig,
} from "@vigie/service-kit/http-config";
import {
  checkpointKeyConfig,
  databaseConfig,
  eventsConfig,
  kafkaConfig,
  keysConfig,
  originsConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

export const edgeConfig = {
  ...processConfig,
  ...stateConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...tokenConfig,
  ...originsConfig,
  ...eventsConfig,
  // Source: CNF-16.
  PORT: port({ about: "HTTP, with /metrics and health; 0 takes a free one", default: 3034 }),
  ...databaseConfig,
  // Unset: lists and policies are answered 503; events are taken all the same.
  DATABASE_URL: optional(databaseConfig.DATABASE_URL),
  DATABASE_ROLE: optional(
    text({
      about: "role that connections take on; unset: vigie_edge",
      pattern: /^[a-z_0-9]{1,63}$/,
      expected: "a role",
    }),
  ),
  ...redisOrLessConfig,
  ...proxiesConfig,
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
  ...produceConfig,
  ...rateLimitConfig,
  COMMAND_WAIT_MS: integer({
    about: "a revocation is answered with its outcome if that comes within this, else 202",
    min: 0,
    max: 10_000,
    // Source: DESIGN, Edge.
    default: 2_000,
  }),
  ENFORCEMENT_POINTS: list({
    about: "client_id of those who are to answer every revocation",
    expected: "pay,eats",
    default: [],
  }),
  ACK_OBJECTIVE_MS: integer({
    about: "an enforcement point that acts on a revocation after this is late",
    min: 1,
    max: 86_400_000,
    default: 1_000,
  }),
  STREAMS_MAX: integer({
    about: "WebSocket connections of this edge",
    min: 1,
    max: 1_000_000,
    // Some 20 KiB each.
    default: 10_000,
  }),
  STREAMS_PER_CALLER_MAX: integer({
    about: "WebSocket connections of one caller at this edge",
    min: 1,
    max: 10_000,
    // Tabs and devices of one person.
    default: 10,
  }),
  STREAM_BUFFER_MAX_BYTES: integer({
    about: "what waits for a WebSocket client that reads slowly; with more it is cut off",
    min: 16_384,
    max: 67_108_864,
    // Some 1,000 events.
    default: 1_048_576,
  }),
  AUDIT_ORIGIN: checkpointKeyConfig.AUDIT_ORIGIN,
  ...keysConfig,
  // Unset: what the audit holds of persons stays sealed, whoever asks this edge.
  VIGIE_KEYS_FILE: optional(keysConfig.VIGIE_KEYS_FILE),
  AUDIT_EXPORTS_MAX: integer({
    about: "exports of the audit at a time, one a caller",
    min: 1,
    max: 100,
    // Each reads a tile at a time: some 20 MiB at most.
    default: 4,
  }),
  AUDIT_EXPORT_STALL_MS: integer({
    about: "whoever exports the audit and takes nothing for so long is cut off",
    min: 1_000,
    max: 3_600_000,
    default: 60_000,
  }),
  EXCESS_LOGINS_PER_MINUTE: integer({
    about:
      "successful logins that pass of a user with sessions too many, where the policy only alarms",
    min: 1,
    max: 1_000,
    // A person who signs in on all their devices.
    default: 3,
  }),
  EXCESS_LIMIT_MS: integer({
    about: "for how long after that alarm",
    min: 1_000,
    max: 86_400_000,
    default: 600_000,
  }),
  ...instanceConfig,
};

export type EdgeConfig = Parsed<typeof edgeConfig>;
