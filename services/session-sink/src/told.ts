import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import { anomalyMetrics, type Metrics, sessionMetrics } from "@vigie/service-kit/metrics";
import type { StreamObserver, Tally } from "@vigie/stream/observer";
import type { SinkWritten } from "./sink.ts";

/** OBS-02: over which the heartbeat rate is taken. */
const RATE_WINDOW_S = 60;
/** Enforcement points are registered services: some ten. */
const POINTS_MAX = 64;

/** What the sink tells of what it wrote. */
export interface Told {
  written(event: SinkWritten): void;
  /**
   * The observer with outcomes as the sink knows them: the reader does not see what was dropped.
   */
  observer(inner: StreamObserver): StreamObserver;
  active(sessions: number): void;
  /** Sets the heartbeat rate; to be called every second or so. */
  tick(): void;
  missing(logins: number): void;
  overdue(sessions: number): void;
}

export function createTold(metrics: Metrics, log: Logger, clock: Clock): Told {
  const sessions = sessionMetrics(metrics);
  const { detected } = anomalyMetrics(metrics);
  const missing = metrics.counter(
    "id_sessions_missing_total",
    "Logins that succeeded and whose session did not appear",
  );
  const overdue = metrics.gauge(
    "id_sessions_overdue",
    "Sessions past their end that nobody has ended",
    [],
    "max",
  );
  const conflicts = metrics.counter(
    "id_session_id_conflicts_total",
    "Sessions refused because another user of the tenant has their id",
  );
  const acks = metrics.histogram(
    "id_revocation_ack_seconds",
    "From a revocation to an enforcement point having acted on it",
    ["enforcement_point"],
  );
  const pointOf = boundedLabels(POINTS_MAX);
  const rate = slidingRate(RATE_WINDOW_S, clock);
  let tally: Tally | null = null;
  return {
    written({ tally: latest, rows, batch }) {
      tally = latest;
      rate.add(batch.heartbeats);
      for (const [cause, count] of rows.revocations) sessions.revoked.inc({ cause }, count);
      for (const [kind, count] of rows.anomalies) detected.inc({ kind }, count);
      for (const { enforcement_point, delay_ms } of rows.acks) {
        const seconds = Math.max(0, delay_ms) / 1_000;
        acks.observe({ enforcement_point: pointOf(enforcement_point) }, seconds);
      }
      conflicts.inc(rows.conflicts);
      if (rows.conflicts > 0) log.warn({ sessions: rows.conflicts }, "session_id_conflict");
      for (const row of batch.sessions.values()) {
        // The first state of a session, unless a heartbeat adopted it.
        if (row.created_at !== row.last_activity || row.status !== "ACTIVE") continue;
        const seconds = (clock() - Date.parse(String(row.created_at))) / 1_000;
        sessions.creationSeconds.observe(Math.max(0, seconds));
      }
    },
    observer: (inner) => ({
      ...inner,
      committed: (event) => inner.committed({ ...event, tally: tally ?? event.tally }),
    }),
    active: (count) => sessions.active.set(count),
    tick: () => sessions.heartbeatRate.set(rate.perSecond()),
    missing: (logins) => missing.inc(logins),
    overdue: (count) => overdue.set(count),
  };
}

/** A label that comes from outside, with as many values as fit; any other is "other". */
export function boundedLabels(countMax: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (!known.has(value) && known.size >= countMax) return "other";
    known.add(value);
    return value;
  };
}

interface SlidingRate {
  add(count: number): void;
  perSecond(): number;
}

/** Events a second over the last `windowS` whole seconds. */
export function slidingRate(windowS: number, clock: Clock): SlidingRate {
  const counts = new Map<number, number>();
  const second = (): number => Math.floor(clock() / 1_000);
  return {
    add(count) {
      const now = second();
      counts.set(now, (counts.get(now) ?? 0) + count);
    },
    perSecond() {
      const from = second() - windowS;
      let sum = 0;
      for (const [at, count] of counts) {
        if (at <= from) counts.delete(at);
        else sum += count;
      }
      return sum / windowS;
    },
  };
}
