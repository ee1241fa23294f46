import { hostname } from "node:os";
import type { Logger } from "@vigie/core/log";
import { type Clock, DAY_MS } from "@vigie/core/time";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Health } from "@vigie/service-kit/health";
import type { AuthOptions } from "@vigie/service-kit/http/auth";
import { createTokenVerifier, type TokenVerifier } from "@vigie/service-kit/http/jwt";
import {
  type Algorithm,
  jwksKeys,
  type KeySource,
  pemKeys,
  secretKeys,
} from "@vigie/service-kit/http/jwt-keys";
import { openOutbound } from "@vigie/service-kit/http/outbound";
import {
  LocalRateLimiter,
  noRateLimit,
  type RateLimiter,
} from "@vigie/service-kit/http/rate-limit";
import { redisDebtBook, shareLimit } from "@vigie/service-kit/http/shared-limit";
import { openRedis } from "@vigie/service-kit/redis/redis";
import type { Closable } from "@vigie/service-kit/shutdown";
import type { ExportLimits } from "./audit-api/running-exports.ts";
import { type EdgeConfig, limitsAreOff } from "./config.ts";
import { type ExcessLogins, excessLogins } from "./ingest/excess-logins.ts";
import type { AdmitLimits } from "./ingest/steps/admit-event.ts";
import type { LiveLimits } from "./live/doors.ts";

/** What the parts of the edge are made of, by configuration. */
export interface Wiring {
  readonly config: EdgeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Health;
}

export function tokenVerifier(wiring: Wiring): TokenVerifier {
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
function keySource({ config, clock, log }: Wiring): KeySource {
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

/** Rates and their limiter; shared with other edges when REDIS_URL is set. */
export function rateLimits(wiring: Wiring): {
  readonly limits: Omit<AuthOptions, "verifier">;
  readonly closables: readonly Closable[];
} {
  const { config, clock, log, health } = wiring;
  const service = config.RATE_LIMIT_SERVICE_PER_MINUTE;
  const user = config.RATE_LIMIT_USER_PER_MINUTE;
  const rates = {
    service: { perMinute: service, burst: service },
    user: { perMinute: user, burst: user },
  };
  if (limitsAreOff(config)) return { limits: { limiter: noRateLimit, rates }, closables: [] };
  const limiter = new LocalRateLimiter({ clock });
  const url = config.REDIS_URL;
  if (url === null) return { limits: { limiter, rates }, closables: [] };
  // Limits go on locally without it.
  health.declare("redis", { needed: false });
  const prefix = config.VIGIE_TOPIC_PREFIX;
  const caPath = config.REDIS_SSL_CA;
  const redis = openRedis({ url, caPath, prefix, connectionName: "edge", log });
  const observer = (up: boolean): void => health.set("redis", up);
  const shared = shareLimit(limiter, redisDebtBook(redis), { log, observer });
  return { limits: { limiter, rates }, closables: [shared, redis] };
}

export const admitLimits = (config: EdgeConfig): AdmitLimits => ({
  maxEventAgeMs: config.MAX_EVENT_AGE_DAYS * DAY_MS,
  maxAheadMs: config.MAX_EVENT_AHEAD_MS,
});

export const liveLimits = (config: EdgeConfig): LiveLimits => ({
  connectionsMax: config.STREAMS_MAX,
  perCallerMax: config.STREAMS_PER_CALLER_MAX,
  bufferMaxBytes: config.STREAM_BUFFER_MAX_BYTES,
});

export const exportLimits = (config: EdgeConfig): ExportLimits => ({
  runningMax: config.AUDIT_EXPORTS_MAX,
  stallMs: config.AUDIT_EXPORT_STALL_MS,
});

/** Whose policy lets sessions too many live on has their logins slowed. */
export const excessOf = ({ config, clock }: Wiring, limiter: RateLimiter): ExcessLogins =>
  excessLogins({
    limiter,
    clock,
    loginsPerMinute: config.EXCESS_LOGINS_PER_MINUTE,
    limitMs: config.EXCESS_LIMIT_MS,
  });

/** Who writes a series of audit records: this edge, since this start. */
export const emitterOf = ({ INSTANCE_ID }: EdgeConfig, bootId: string): string =>
  `edge.${INSTANCE_ID ?? hostname()}.${bootId}`;

/** Whether events can be encoded yet: the edge answers health and 503 while it waits for the registry. */
export interface Readiness {
  isReady(): boolean;
  /** Asks for the schemas of all encoders made so far. Rejects when one is not registered; else never settles. */
  prepare(onReady?: () => void): Promise<never>;
}

export function readiness(codecs: Codecs, health: Health): Readiness {
  let ready = false;
  health.declare("schemas");
  // Once the schemas are known events are taken without it.
  health.declare("registry", { needed: false });
  return {
    isReady: () => ready,
    async prepare(onReady) {
      await codecs.ready();
      ready = true;
      health.set("schemas", true);
      onReady?.();
      return new Promise<never>(() => {});
    },
  };
}
