import type { Clock } from "@vigie/core/time";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";

/** What prom-client gives as JSON and takes to aggregate; passes between threads as it is. */
export type MetricsJson = Awaited<ReturnType<Registry["getMetricsAsJSON"]>>;

/** From under a millisecond (one record) to the drain limit. */
const SECONDS_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface Metrics {
  readonly service: string;
  readonly registry: Registry;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
    /** How the values of several workers become one; sum if not given. */
    aggregator?: "sum" | "max" | "first",
  ): Gauge<L>;
  /** Seconds; `buckets` are upper bounds. */
  histogram<L extends string>(
    name: string,
    help: string,
    labels?: readonly L[],
    buckets?: readonly number[],
  ): Histogram<L>;
}

/**
 * A registry of its own for one service or one worker thread of it; pass it on, nothing is global.
 * `processMetrics`: with CPU, memory and event loop of the process; the main thread's only.
 */
export function createMetrics(
  service: string,
  options: { processMetrics?: boolean } = {},
): Metrics {
  const registry = new Registry();
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry });
  const registers = [registry];
  // Two processors of one service tell the same metrics, apart by their labels.
  const once = <M>(name: string, make: () => M): M =>
    (registry.getSingleMetric(name) as M | undefined) ?? make();
  return {
    service,
    registry,
    counter: (name, help, labels = []) =>
      once(name, () => new Counter({ name, help, labelNames: [...labels], registers })),
    gauge: (name, help, labels = [], aggregator = "sum") =>
      once(name, () => new Gauge({ name, help, labelNames: [...labels], registers, aggregator })),
    histogram: (name, help, labels = [], buckets = SECONDS_BUCKETS) =>
      once(
        name,
        () =>
          new Histogram({ name, help, labelNames: [...labels], registers, buckets: [...buckets] }),
      ),
  };
}

/**
 * How long ago something was, as of when the metrics are read; what is unknown (null) has no sample.
 * `moments`: ms since the epoch, by the value of the label.
 */
export function ageGauge(
  { registry }: Metrics,
  about: { readonly name: string; readonly help: string; readonly label: string },
  moments: () => Readonly<Record<string, number | null>>,
  clock: Clock,
): void {
  const { name, help, label } = about;
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, atMs] of Object.entries(moments())) {
        if (atMs !== null) this.set({ [label]: value }, (clock() - atMs) / 1_000);
      }
    },
  });
}

/** OBS-02, OBS-03: what the read model knows of sessions. */
export function sessionMetrics(metrics: Metrics) {
  return {
    active: metrics.gauge("id_sessions_active", "Active sessions", [], "max"),
    heartbeatRate: metrics.gauge("id_sessions_heartbeat_rate", "Heartbeats a second, last minute"),
    revoked: metrics.counter("id_sessions_revoked_total", "Sessions revoked, by what did it", [
      "cause",
    ]),
    /** OBS-08: from the login at the source to the session in the read model. */
    creationSeconds: metrics.histogram(
      "id_session_creation_seconds",
      "From a login to its session being readable",
    ),
  };
}

/** OBS-03. `kind` is a rule's name, so the label has as many values as there are rules. */
export function anomalyMetrics(metrics: Metrics) {
  return {
    detected: metrics.counter("id_anomalies_detected_total", "Anomalies detected", ["kind"]),
  };
}

/** What the stream runtime and the sinks tell of themselves. */
export function streamMetrics(metrics: Metrics) {
  return {
    records: metrics.counter("vigie_records_total", "Records by fate, counted after the commit", [
      "processor",
      "outcome",
    ]),
    dropped: metrics.counter("vigie_records_dropped_total", "Records dropped, by reason", [
      "processor",
      "reason",
      "intentional",
    ]),
    deadLetters: metrics.counter("vigie_dead_letters_total", "Dead letters, by code", [
      "processor",
      "code",
    ]),
    emitted: metrics.counter("vigie_records_emitted_total", "Records published", [
      "processor",
      "output",
    ]),
    processSeconds: metrics.histogram(
      "vigie_processing_seconds",
      "Time in the processor for the records of one commit",
      ["processor"],
    ),
    commitSeconds: metrics.histogram("vigie_commit_seconds", "Time of a commit", ["processor"]),
    lag: metrics.gauge("vigie_consumer_lag_records", "End minus committed offset", [
      "topic",
      "partition",
    ]),
    restoreDone: metrics.gauge("vigie_restore_done_records", "Changelog records restored", [
      "processor",
      "partition",
    ]),
    restoreTotal: metrics.gauge("vigie_restore_total_records", "Changelog records to restore", [
      "processor",
      "partition",
    ]),
    tasks: metrics.gauge("vigie_tasks", "Tasks by state", ["processor", "state"]),
    up: metrics.gauge("vigie_dependency_up", "1 while the dependency answers", ["name"], "max"),
  };
}
