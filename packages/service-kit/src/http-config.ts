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
  text,
  url,
} from "./config.ts";
import { pemKeys } from "./http/jwt-keys.ts";
import { jwtConfig } from "./shared-config.ts";

/** Fragments of configuration of the services that people and applications call. */

/** An address, or one with the length of its network. */
function isNetwork(text: string): boolean {
  const [address = "", bits, rest] = text.split("/");
  const family = isIP(address);
  if (family === 0 || rest !== undefined) return false;
  if (bits === undefined) return true;
  return /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Addresses and CIDRs, in the variable of this name. */
export const networks = (name: string, about: string) =>
  given(list({ about, expected: "10.0.0.0/8,2001:db8::/32", default: [] }), ({ env }) => {
    const items = (env[name] ?? "").split(",").map((item) => item.trim());
    const bad = items.find((item) => item !== "" && !isNetwork(item));
    return bad === undefined ? null : `has ${bad}, expected addresses or CIDRs`;
  });

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

export const tokenConfig = {
  ...jwtConfig,
  JWT_PUBLIC_KEY: given(jwtConfig.JWT_PUBLIC_KEY, publicKeyFault),
  ID_DOMAIN_ORGS: list({
    about: "organisations (org_id) whose administrators and auditors are those of the ID domain",
    expected: "id,id-ops",
    default: ["id"],
  }),
};

export const proxiesConfig = {
  TRUSTED_PROXIES: networks("TRUSTED_PROXIES", "networks whose X-Forwarded-For counts"),
};

/** Redis, for who goes on without it. */
export const redisOrLessConfig = {
  REDIS_URL: optional(
    url({
      about: "live sessions and shared rate limits; rediss for TLS",
      schemes: ["redis", "rediss"],
    }),
  ),
  REDIS_SSL_CA: optional(file({ about: "PEM of the authority that signed Redis" })),
};

export const rateLimitConfig = {
  // Generous by intent (CNF-15): the gateway may hold stricter ones.
  RATE_LIMIT_SERVICE_PER_MINUTE: integer({
    about: "events and calls of one service of one tenant",
    min: 1,
    max: 100_000_000,
    default: 2_000_000,
  }),
  RATE_LIMIT_USER_PER_MINUTE: integer({
    about: "events and calls of one person",
    min: 1,
    max: 1_000_000,
    default: 600,
  }),
  ENV: given(
    text({ about: "test switches rate limits off, never in production", default: "" }),
    ({ env }) =>
      env.ENV === "test" && env.NODE_ENV === "production"
        ? "is test, which production refuses"
        : null,
  ),
};

/** DEP-24, CNF-15: ENV=test or NODE_ENV=test; with production the configuration is refused before. */
export const limitsAreOff = (config: {
  readonly NODE_ENV: "production" | "development" | "test";
  readonly ENV: string;
}): boolean =>
  config.NODE_ENV !== "production" && (config.NODE_ENV === "test" || config.ENV === "test");

/** How events go to the broker. */
export const produceConfig = {
  PRODUCE_BUFFER_MAX_BYTES: integer({
    about: "events that wait for the broker; more are refused with 503",
    min: 65_536,
    max: 1_073_741_824,
    default: 67_108_864,
  }),
  PRODUCE_LINGER_MS: integer({
    about: "events are gathered this long into one request to the broker, 1 ms at least",
    min: 0,
    max: 100,
    // Source: DESIGN: the edge gathers messages for 1-3 ms. With 2 a full edge waited: 9.5 thousand a second, not 12.
    default: 1,
  }),
  PRODUCE_TIMEOUT_MS: integer({
    about: "an event that the broker has not acknowledged by then is answered 503",
    min: 100,
    // Under the drain limit, so that a stop can wait for it.
    max: 8_000,
    default: 5_000,
  }),
};

export const instanceConfig = {
  INSTANCE_ID: optional(
    text({
      about: "names this instance in the audit; unset: the host's name",
      pattern: /^[A-Za-z0-9._-]{1,128}$/,
      expected: "1..128 of A-Z a-z 0-9 . _ -",
    }),
  ),
};

export type ProduceConfig = Parsed<typeof produceConfig>;
