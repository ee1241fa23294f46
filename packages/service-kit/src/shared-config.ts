import { existsSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "@vigie/core/errors";
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
  secrets,
  text,
  url,
} from "./config.ts";
import { readKeysFile } from "./kms/keys-file.ts";
import { ORIGIN, readSigningKey } from "./kms/signing-key.ts";
import { placeFault } from "./objects/open-store.ts";
import { sslmodeOf, urlFault, VERIFYING } from "./postgres/url.ts";

/** Fragments of configuration that services spread into their own schema. */

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

/** A fault while it is unset and SASL is on, or set and SASL is off. */
const withSasl =
  (name: string) =>
  ({ env }: KindContext): string | null => {
    if (!env.KAFKA_SASL_MECHANISM === !env[name]) return null;
    return env[name]
      ? "is set, but KAFKA_SASL_MECHANISM is not"
      : "is missing, KAFKA_SASL_MECHANISM needs it";
  };

/** Set beside a connection in clear it would be left out without a word. */
const withTls =
  (name: string, partner?: string) =>
  ({ env }: KindContext): string | null => {
    if (env[name] && env.KAFKA_SSL !== "true") return "is set, but KAFKA_SSL is not true";
    if (partner === undefined || !env[name] === !env[partner]) return null;
    return env[name] ? `is set without ${partner}` : `is missing beside ${partner}`;
  };

const mechanism = oneOf(["plain", "scram-sha-256", "scram-sha-512"], { about: "SASL mechanism" });

export const kafkaConfig = {
  ...prefixConfig,
  KAFKA_BROKERS: list({
    about: "bootstrap servers",
    pattern: /^(\[[0-9A-Fa-f:]+\]|[^:,\s]+):\d{1,5}$/,
    expected: "host:port,host:port",
    countMin: 1,
  }),
  KAFKA_SSL: flag({ about: "TLS to the brokers", default: false }),
  KAFKA_SSL_CA: given(
    optional(file({ about: "PEM of the authority that signed the brokers" })),
    withTls("KAFKA_SSL_CA"),
  ),
  KAFKA_SSL_CERT: given(
    optional(file({ about: "PEM of the client certificate" })),
    withTls("KAFKA_SSL_CERT", "KAFKA_SSL_KEY"),
  ),
  KAFKA_SSL_KEY: given(
    optional(file({ about: "PEM of the client key" })),
    withTls("KAFKA_SSL_KEY", "KAFKA_SSL_CERT"),
  ),
  // Java's clients write it in capitals.
  KAFKA_SASL_MECHANISM: optional({
    ...mechanism,
    parse: (given: string, context: KindContext) => mechanism.parse(given.toLowerCase(), context),
  }),
  KAFKA_SASL_USERNAME: given(
    optional(text({ about: "SASL user" })),
    withSasl("KAFKA_SASL_USERNAME"),
  ),
  KAFKA_SASL_PASSWORD: given(
    optional(text({ about: "SASL password" })),
    withSasl("KAFKA_SASL_PASSWORD"),
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
  DATABASE_URL: given(
    url({
      about: "PostgreSQL; sslmode disable, require, verify-ca or verify-full",
      schemes: ["postgres", "postgresql"],
    }),
    ({ env }) => (env.DATABASE_URL ? databaseUrlFault(env.DATABASE_URL, env) : null),
  ),
  DATABASE_SSL_CA: optional(file({ about: "PEM of the authority that signed PostgreSQL" })),
  DATABASE_POOL_MAX: integer({ about: "connections at most", min: 1, max: 100, default: 4 }),
  DATABASE_STATEMENT_TIMEOUT_MS: integer({
    about: "a statement is cancelled after this",
    min: 100,
    max: 600_000,
    default: 15_000,
  }),
};

/** What of a URL would be misread or would let a connection be less safe than it looks. */
function databaseUrlFault(given: string, { DATABASE_SSL_CA }: KindContext["env"]): string | null {
  const fault = urlFault(given);
  if (fault !== null) return fault;
  if (DATABASE_SSL_CA && !VERIFYING.has(sslmodeOf(given))) {
    return "has an sslmode that does not look at DATABASE_SSL_CA; take verify-ca or verify-full";
  }
  return null;
}

export const redisConfig = {
  REDIS_URL: url({ about: "Redis; rediss for TLS", schemes: ["redis", "rediss"] }),
  REDIS_SSL_CA: optional(file({ about: "PEM of the authority that signed Redis" })),
};

const jwtKeyMissing = (context: KindContext): string | null => {
  const { env } = context;
  if (env.JWT_PUBLIC_KEY || env.JWT_JWKS_URL) return null;
  if (context.production) return "is missing, and so is JWT_JWKS_URL: production needs one";
  return env.JWT_SECRET ? null : "is missing, and so are JWT_JWKS_URL and JWT_SECRET";
};

const jwtSecretMixed = (context: KindContext): string | null => {
  const { env } = context;
  if (!env.JWT_SECRET) return null;
  if (context.production) return "is set, which production refuses";
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
      context.production && context.env.JWT_JWKS_URL?.startsWith("http:")
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
      context.env.DEFAULT_TENANT && context.production ? "is set, which production refuses" : null,
  ),
};

export const auditConfig = {
  WORM_SIGNING_SECRET: secret({
    about: "signs audit entries",
    developmentDefault: "development-worm-signing-secret-0001",
  }),
  WORM_SIGNING_SECRETS_RETIRED: secrets({ about: "earlier ones, which verify and no longer sign" }),
};

const DEVELOPMENT_ORIGIN = "vigie-audit";

/** Who signs checkpoints of the audit log. */
export const checkpointKeyConfig = {
  AUDIT_ORIGIN: given(
    text({
      about: "name of the audit log, one in the world; also that of its key",
      pattern: ORIGIN,
      expected: "a name without spaces, plus signs and commas, e.g. id.example.org/audit",
      default: DEVELOPMENT_ORIGIN,
    }),
    ({ env, production }) =>
      production && (env.AUDIT_ORIGIN || DEVELOPMENT_ORIGIN) === DEVELOPMENT_ORIGIN
        ? `is ${DEVELOPMENT_ORIGIN}, the development default, which production refuses`
        : null,
  ),
  AUDIT_SIGNING_KEY_FILE: given(
    file({ about: "Ed25519 key that signs checkpoints, mode 600; npm run keys -- signing FILE" }),
    ({ env }) => (env.AUDIT_SIGNING_KEY_FILE ? signingKeyFault(env) : null),
  ),
  AUDIT_RETIRED_KEYS: list({
    about: "verifier keys of earlier signing keys, whose checkpoints stay valid",
    pattern: /^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+$/,
    expected: "name+hash+base64, as npm run keys -- vkey prints it",
    default: [],
  }),
};

/** Where the log is published as files. */
export const tilesConfig = {
  AUDIT_TILES_URL: given(
    optional(text({ about: "folder or s3://bucket/prefix that the audit log is published in" })),
    ({ env }) => (env.AUDIT_TILES_URL ? placeFault(env.AUDIT_TILES_URL) : null),
  ),
  AUDIT_S3_ENDPOINT: given(
    optional(
      url({
        about: "store that speaks like S3, reached by path; unset: AWS's own of the region",
        schemes: ["https", "http"],
      }),
    ),
    ({ env, production }) =>
      production && env.AUDIT_S3_ENDPOINT?.startsWith("http:")
        ? "is http, which production refuses"
        : null,
  ),
  AUDIT_S3_REGION: text({
    about: "region of the bucket; stores of one's own mostly take any",
    pattern: /^[a-z0-9-]{1,32}$/,
    expected: "e.g. eu-west-3",
    default: "us-east-1",
  }),
};

function signingKeyFault(env: KindContext["env"]): string | null {
  const origin = env.AUDIT_ORIGIN || DEVELOPMENT_ORIGIN;
  try {
    const { name } = readSigningKey(env.AUDIT_SIGNING_KEY_FILE ?? "");
    return name === origin ? null : `is the key of ${name}, but AUDIT_ORIGIN is ${origin}`;
  } catch (error) {
    return `is of no use: ${messageOf(error)}`;
  }
}

export const originsConfig = {
  ALLOWED_ORIGINS: list({
    about: "origins that browsers may call from; one-level wildcards",
    pattern: /^https?:\/\/(\*\.)?[^/*\s]+$/,
    expected: "https://app.example,https://*.example",
    default: ["http://localhost:3000"],
  }),
};

/** Source: the names under which MaxMind delivers its free databases. */
const CITY_FILE = "GeoLite2-City.mmdb";
const ASN_FILE = "GeoLite2-ASN.mmdb";

/** Source: DEP-03. */
const MAXMIND_FOLDER = "/data";

export const geoipConfigIn = (usualFolder: string) => ({
  GEOIP_CITY_DB: optional(file({ about: "city database, mmdb" })),
  GEOIP_ASN_DB: optional(file({ about: "network database, mmdb" })),
  MAXMIND_DB_PATH: {
    ...given(
      optional(
        text({ about: `folder of ${CITY_FILE} and ${ASN_FILE}, each unless it is set by itself` }),
      ),
      ({ env }) => (env.MAXMIND_DB_PATH ? folderFault(env.MAXMIND_DB_PATH, env) : null),
    ),
    fallback: `${usualFolder} when they are in it`,
    absent: ({ env }: KindContext) => ({
      value: folderFault(usualFolder, env) === null ? usualFolder : null,
    }),
  },
});

export const geoipConfig = geoipConfigIn(MAXMIND_FOLDER);

function folderFault(folder: string, env: KindContext["env"]): string | null {
  const wanted = [env.GEOIP_CITY_DB ? [] : [CITY_FILE], env.GEOIP_ASN_DB ? [] : [ASN_FILE]].flat();
  const missing = wanted.filter((name) => !existsSync(join(folder, name)));
  return missing.length === 0 ? null : `is ${folder}, which has no ${missing.join(" and no ")}`;
}

export const keysConfig = {
  VIGIE_KEYS_FILE: given(file({ about: "JSON of the master keys, mode 600" }), ({ env }) =>
    env.VIGIE_KEYS_FILE ? keysFault(env.VIGIE_KEYS_FILE) : null,
  ),
  VIGIE_KMS_ENDPOINT: given(
    optional(
      url({
        about: "KMS that opens wrapped master keys; unset: AWS's, in the region of the key's ARN",
        schemes: ["https", "http"],
      }),
    ),
    ({ env, production }) =>
      production && env.VIGIE_KMS_ENDPOINT?.startsWith("http:")
        ? "is http, which production refuses"
        : null,
  ),
};

/** For who does less without keys; production may not. */
export const keysOrLessConfig = {
  ...keysConfig,
  VIGIE_KEYS_FILE: given(optional(keysConfig.VIGIE_KEYS_FILE), ({ env, production }) =>
    production && !env.VIGIE_KEYS_FILE ? "is missing, production wants it" : null,
  ),
};

function keysFault(path: string): string | null {
  try {
    readKeysFile(path);
    return null;
  } catch (error) {
    return `is of no use: ${messageOf(error)}`;
  }
}

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
    cityPath: config.GEOIP_CITY_DB ?? inFolder(CITY_FILE),
    asnPath: config.GEOIP_ASN_DB ?? inFolder(ASN_FILE),
  };
}
