import { userKey } from "@vigie/core/keys";
import type { Clock } from "@vigie/core/time";
import type { SessionAnomaly } from "@vigie/schemas/types";
import type { RateLimiter } from "@vigie/service-kit/http/rate-limit";

export interface ExcessOptions {
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  /** Logins of such a user that pass. */
  readonly loginsPerMinute: number;
  /** For how long after it was told of. */
  readonly limitMs: number;
}

/** Whose successful logins are slowed, because their policy lets sessions too many live on (ANO-14, CNF-15). */
export interface ExcessLogins {
  note(anomaly: SessionAnomaly): void;
  /** How long the next login of a user has to wait, in milliseconds. `key`: tenant and user. */
  waitMs(key: string): number;
}

/** Source: 10,000 users in excess within some minutes, about 2 MB. */
const USERS_MAX = 10_000;

export function excessLogins(options: ExcessOptions): ExcessLogins {
  const { limiter, clock, loginsPerMinute: perMinute, limitMs } = options;
  /** Until when, the earliest first. */
  const untilMs = new Map<string, number>();
  return {
    note(anomaly) {
      if (!isUnchecked(anomaly)) return;
      const key = userKey(anomaly.tenant_id, anomaly.user_id);
      untilMs.delete(key);
      const [oldest] = untilMs.keys();
      if (untilMs.size >= USERS_MAX && oldest !== undefined) untilMs.delete(oldest);
      untilMs.set(key, clock() + limitMs);
    },
    waitMs(key) {
      // Nearly always nobody is: no key is hashed for that.
      if (untilMs.size === 0) return 0;
      const until = untilMs.get(key);
      if (until === undefined) return 0;
      if (clock() < until) return limiter.take(`excess|${key}`, 1, { perMinute, burst: perMinute });
      untilMs.delete(key);
      return 0;
    },
  };
}

/** Sessions too many that nothing but an alarm follows. */
const isUnchecked = ({ kind, mode, retracts, evidence }: SessionAnomaly): boolean =>
  kind === "concurrent_sessions" &&
  mode === "ENFORCE" &&
  retracts === null &&
  evidence.on_excess === "alarm";
