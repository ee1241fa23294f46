import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import type { Parsed } from "../config.ts";
import { limitsAreOff, type rateLimitConfig, type tokenConfig } from "../http-config.ts";
import type { RedisStore } from "../redis/redis.ts";
import type { processConfig } from "../shared-config.ts";
import type { Closable } from "../shutdown.ts";
import type { AuthOptions } from "./auth.ts";
import { createTokenVerifier, type TokenVerifier } from "./jwt.ts";
import { type Algorithm, jwksKeys, type KeySource, pemKeys, secretKeys } from "./jwt-keys.ts";
import { openOutbound } from "./outbound.ts";
import { LocalRateLimiter, noRateLimit } from "./rate-limit.ts";
import { redisDebtBook, shareLimit } from "./shared-limit.ts";

/** Who may call a service, and how often, by its configuration. */

type TokenWiring = {
  readonly config: Parsed<typeof tokenConfig> & Pick<Parsed<typeof processConfig>, "NODE_ENV">;
  readonly clock: Clock;
  readonly log: Logger;
};

export function tokenVerifier(wiring: TokenWiring): TokenVerifier {
  const { config, clock } = wiring;
  return createTokenVerifier({
    keys: keySource(wiring),
    audience: config.JWT_AUDIENCE,
    issuer: config.JWT_ISSUER,
    defaultTenant: config.DEFAULT_TENANT,
    clock,
  });
}

/** A PEM wins over a key set, and either over a secret, which the configuration takes only alone (CNF-06). */
function keySource({ config, clock, log }: TokenWiring): KeySource {
  const { JWT_PUBLIC_KEY, JWT_JWKS_URL, JWT_SECRET, NODE_ENV } = config;
  const accepted = config.JWT_ALGS as readonly Algorithm[];
  if (JWT_PUBLIC_KEY !== null) return pemKeys(JWT_PUBLIC_KEY, accepted);
  if (JWT_JWKS_URL === null) return secretKeys(JWT_SECRET ?? "");
  // A key set of a developer's own issuer is behind http; https is never let off.
  const allowPrivate = NODE_ENV !== "production" && JWT_JWKS_URL.startsWith("http:");
  return jwksKeys({
    url: JWT_JWKS_URL,
    accepted,
    outbound: openOutbound({ allowPrivate }),
    log,
    clock,
  });
}

interface LimitWiring {
  readonly config: Parsed<typeof rateLimitConfig> & Pick<Parsed<typeof processConfig>, "NODE_ENV">;
  /** What instances share their limits by; null: each limits alone, as it does while Redis is away. */
  readonly redis: RedisStore | null;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Rates and their limiter. */
export function rateLimits({ config, redis, clock, log }: LimitWiring): {
  readonly limits: Omit<AuthOptions, "verifier">;
  /** To be closed before Redis. */
  readonly closables: readonly Closable[];
} {
  const service = config.RATE_LIMIT_SERVICE_PER_MINUTE;
  const user = config.RATE_LIMIT_USER_PER_MINUTE;
  const rates = {
    service: { perMinute: service, burst: service },
    user: { perMinute: user, burst: user },
  };
  if (limitsAreOff(config)) return { limits: { limiter: noRateLimit, rates }, closables: [] };
  const limiter = new LocalRateLimiter({ clock });
  if (redis === null) return { limits: { limiter, rates }, closables: [] };
  const shared = shareLimit(limiter, redisDebtBook(redis), { log });
  return { limits: { limiter, rates }, closables: [shared] };
}
