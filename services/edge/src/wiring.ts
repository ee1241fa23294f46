import type { Logger } from "@vigie/core/log";
import { type Clock, DAY_MS } from "@vigie/core/time";
import type { Health } from "@vigie/service-kit/health";
import type { RateLimiter } from "@vigie/service-kit/http/rate-limit";
import type { ExportLimits } from "./audit-api/running-exports.ts";
import type { EdgeConfig } from "./config.ts";
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
