import { isIP } from "node:net";
import { messageOf, VigError } from "@vigie/core/errors";
import {
  file,
  given,
  integer,
  type KindContext,
  list,
  optional,
  type Parsed,
  port,
  text,
  url,
} from "@vigie/service-kit/config";
import { pemKeys } from "@vigie/service-kit/http/jwt-keys";
import {
  checkpointKeyConfig,
  databaseConfig,
  eventsConfig,
  jwtConfig,
  kafkaConfig,
  keysConfig,
  originsConfig,
  processConfig,
  registryConfig,
  stateConfig,
} from "@vigie/service-kit/shared-config";

/** An address, or one with the length of its network. */
function isNetwork(text: string): boolean {
  const [address = "", bits, rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest !== undefined) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

const networkFault = ({ env }: KindContext): string | null => {
  const given = (env.TRUSTED_PROXIES ?? "").split(",").map((item) => item.trim());
  const bad = given.find((item) => item !== "" && !isNetwork(item));
  return bad === undefined ? null : `has ${bad}, expected addresses or CIDRs`;
};

/** A key that cannot verify a token is a fault of the configuration, like any other. */
const publicKeyFault = ({ env }: KindContext): string | null => {
  const { JWT_PUBLIC_KEY, JWT_ALGS } = env;
  if (!JWT_PUBLIC_KEY) return null;
  const algorithms = jwtConfig.JWT_ALGS.parse(JWT_ALGS || "RS256", { production: false, env });
  if ("fault" in algorithms) return null;
  try {
    pemKeys(JWT_PUBLIC_KEY, algorithms.value);
    return null;
  } catch (error) {
    const faults = error instanceof VigError ? String(error.details.faults) : messageOf(error);
    return faults.trim().replace(/^JWT_PUBLIC_KEY /, "");
  }
};

export const edgeConfig = {
  ...processConfig,
  ...stateConfig,
  ...kafkaConfig,
  ...registryConfig,
  ...jwtConfig,
  JWT_PUBLIC_KEY: given(jwtConfig.JWT_PUBLIC_KEY, publicKeyFault),
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
  REDIS_URL: optional(
    url({
      about: "live sessions and shared rate limits; rediss for TLS",
      schemes: ["redis", "rediss"],
    }),
  ),
  REDIS_SSL_CA: optional(file({ about: "PEM of the authority that signed Redis" })),
  TRUSTED_PROXIES: given(
    list({
      about: "networks whose X-Forwarded-For counts",
      expected: "10.0.0.0/8,2001:db8::/32",
      default: [],
    }),
    networkFault,
  ),
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
  ID_DOMAIN_ORGS: list({
    about: "organisations (org_id) whose administrators and auditors are those of the ID domain",
    expected: "id,id-ops",
    default: ["id"],
  }),
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
  INSTANCE_ID: optional(
    text({
      about: "names this edge in the audit; unset: the host's name",
      pattern: /^[A-Za-z0-9._-]{1,128}$/,
      expected: "1..128 of A-Z a-z 0-9 . _ -",
    }),
  ),
  ENV: given(
    text({ about: "test switches rate limits off, never in production", default: "" }),
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
