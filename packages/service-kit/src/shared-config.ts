import { join } from "node:path";
import {
  file,
  flag,
  given,
  integer,
  type KindContext,
  list,
  oneOf,
  optional,
  type Parsed,
  port,
  secret,
  text,
  url,
} from "./config.ts";

/** Fragments of configuration that services spread into their own schema. */

const production = ({ env }: KindContext): boolean => env.NODE_ENV === "production";

export const processConfig = {
  NODE_ENV: oneOf(["production", "development", "test"], {
    about: "production refuses weak secrets and development flags",
    default: "development",
  }),
  LOG_LEVEL: oneOf(["debug", "info", "warn", "error", "fatal"], {
    about: "lowest level that is logged",
    default: "info",
  }),
  HOST: text({ about: "address that is listened on", default: "0.0.0.0" }),
  // Under the 10 s in which a stop must be done.
  DRAIN_TIMEOUT_MS: integer({
    about: "a stop finishes what is in flight within this",
    min: 100,
    max: 9_500,
    default: 8_000,
  }),
};

/** What stands before topics, group ids, transactional ids and Redis keys. */
export const prefixConfig = {
  VIGIE_TOPIC_PREFIX: text({
    about: "stands before topics, groups, keys and names the schema",
    pattern: /^[A-Za-z0-9._-]{0,64}$/,
    expected: "at most 64 of A-Z a-z 0-9 . _ -",
    default: "",
  }),
};

export const stateConfig = {
  VIGIE_STATE_DIR: text({ about: "folder of local state", default: ".vigie/state" }),
};

export const metricsPortConfig = (fallback: number) => ({
  METRICS_PORT: port({ about: "metrics and health; 0 takes a free port", default: fallback }),
});

/** null while unset and not needed; a fault while unset and SASL is on. */
const neededForSasl =
  (name: string) =>
  ({ env }: KindContext): string | null =>
    env.KAFKA_SASL_MECHANISM && !env[name] ? "is missing, KAFKA_SASL_MECHANISM needs it" : null;

export const kafkaConfig = {
  ...prefixConfig,
  KAFKA_BROKERS: list({
    about: "bootstrap servers",
    pattern: /^(\[[0-9A-Fa-f:]+\]|[^:,\s]+):\d{1,5}$/,
    expected: "host:port,host:port",
    countMin: 1,
  }),
  KAFKA_SSL: flag({ about: "TLS to the brokers", default: false }),
  KAFKA_SSL_CA: optional(file({ about: "PEM of the authority that signed the brokers" })),
  KAFKA_SSL_CERT: optional(file({ about: "PEM of the client certificate" })),
  KAFKA_SSL_KEY: optional(file({ about: "PEM of the client key" })),
  KAFKA_SASL_MECHANISM: optional(
    oneOf(["plain", "scram-sha-256", "scram-sha-512"], { about: "SASL mechanism" }),
  ),
  KAFKA_SASL_USERNAME: given(
    optional(text({ about: "SASL user" })),
    neededForSasl("KAFKA_SASL_USERNAME"),
  ),
  KAFKA_SASL_PASSWORD: given(
    optional(text({ about: "SASL password" })),
    neededForSasl("KAFKA_SASL_PASSWORD"),
  ),
};

export const registryConfig = {
  SCHEMA_REGISTRY_URL: url({
    about: "registry with the Confluent API",
    schemes: ["http", "https"],
  }),
  VIGIE_SCHEMA_CACHE_DIR: optional(
    text({ about: "schemas kept for a registry outage; unset: schemas/ in VIGIE_STATE_DIR" }),
  ),
};

export const databaseConfig = {
  DATABASE_URL: url({
    about: "PostgreSQL; sslmode disable, require, verify-ca or verify-full",
    schemes: ["postgres", "postgresql"],
  }),
  DATABASE_SSL_CA: optional(file({ about: "PEM of the authority that signed PostgreSQL" })),
  DATABASE_POOL_MAX: integer({ about: "connections at most", min: 1, max: 100, default: 4 }),
  DATABASE_STATEMENT_TIMEOUT_MS: integer({
    about: "a statement is cancelled after this",
    min: 100,
    max: 600_000,
    default: 15_000,
  }),
};

export const redisConfig = {
  REDIS_URL: url({ about: "Redis; rediss for TLS", schemes: ["redis", "rediss"] }),
  REDIS_SSL_CA: optional(file({ about: "PEM of the authority that signed Redis" })),
};

const jwtKeyMissing = (context: KindContext): string | null => {
  const { env } = context;
  if (env.JWT_PUBLIC_KEY || env.JWT_JWKS_URL) return null;
  if (production(context)) return "is missing, and so is JWT_JWKS_URL: production needs one";
  return env.JWT_SECRET ? null : "is missing, and so are JWT_JWKS_URL and JWT_SECRET";
};

const jwtSecretMixed = (context: KindContext): string | null => {
  const { env } = context;
  if (!env.JWT_SECRET) return null;
  if (production(context)) return "is set, which production refuses";
  return env.JWT_PUBLIC_KEY || env.JWT_JWKS_URL ? "is set beside a public key" : null;
};

/** CNF-06: HS256 only outside production and only without a public key. */
export const jwtConfig = {
  JWT_ALGS: list({
    about: "signatures that are accepted",
    pattern: /^(RS256|ES256|EdDSA)$/,
    expected: "RS256, ES256, EdDSA",
    countMin: 1,
    default: ["RS256"],
  }),
  JWT_PUBLIC_KEY: given(
    optional(text({ about: "PEM of the issuer's key, or the path of one" })),
    jwtKeyMissing,
  ),
  JWT_JWKS_URL: given(
    optional(
      url({
        about: "keys of the issuer; http outside production only",
        schemes: ["https", "http"],
      }),
    ),
    (context) =>
      production(context) && context.env.JWT_JWKS_URL?.startsWith("http:")
        ? "is http, which production refuses"
        : null,
  ),
  JWT_SECRET: given(optional(secret({ about: "HS256 secret, development only" })), jwtSecretMixed),
  JWT_AUDIENCE: text({ about: "audience of tokens", default: "molam-id" }),
  JWT_ISSUER: url({
    about: "issuer of tokens",
    schemes: ["https", "http"],
    default: "https://id.molam.example",
  }),
  DEFAULT_TENANT: given(
    optional(
      text({
        about: "tenant of a token without one, development only",
        pattern: /^[A-Za-z0-9._-]{1,64}$/,
      }),
    ),
    (context) =>
      context.env.DEFAULT_TENANT && production(context) ? "is set, which production refuses" : null,
  ),
};

export const auditConfig = {
  WORM_SIGNING_SECRET: secret({
    about: "signs audit entries",
    developmentDefault: "development-worm-signing-secret-0001",
  }),
};

export const originsConfig = {
  ALLOWED_ORIGINS: list({
    about: "origins that browsers may call from; one-level wildcards",
    pattern: /^https?:\/\/(\*\.)?[^/*\s]+$/,
    expected: "https://app.example,https://*.example",
    default: ["http://localhost:3000"],
  }),
};

export const geoipConfig = {
  GEOIP_CITY_DB: optional(file({ about: "city database, mmdb" })),
  GEOIP_ASN_DB: optional(file({ about: "network database, mmdb" })),
  MAXMIND_DB_PATH: optional(
    text({ about: "folder of GeoLite2-City.mmdb and GeoLite2-ASN.mmdb, unless set above" }),
  ),
};

export const keysConfig = {
  VIGIE_KEYS_FILE: file({ about: "JSON of the master keys, mode 600" }),
};

export const eventsConfig = {
  MAX_EVENT_AGE_DAYS: integer({
    about: "older events are refused",
    min: 1,
    max: 365,
    default: 30,
  }),
  MAX_EVENT_AHEAD_MS: integer({
    about: "events further ahead of their arrival are refused",
    min: 0,
    max: 3_600_000,
    default: 300_000,
  }),
};

/** Where the two databases lie, or null for one that is not configured. */
export function geoipPaths(config: Parsed<typeof geoipConfig>): {
  readonly cityPath: string | null;
  readonly asnPath: string | null;
} {
  const folder = config.MAXMIND_DB_PATH;
  const inFolder = (name: string): string | null => (folder === null ? null : join(folder, name));
  return {
    cityPath: config.GEOIP_CITY_DB ?? inFolder("GeoLite2-City.mmdb"),
    asnPath: config.GEOIP_ASN_DB ?? inFolder("GeoLite2-ASN.mmdb"),
  };
}
