import { type Clock, DAY_MS } from "@vigie/core/time";
import type { Facts, Health } from "./health.ts";
import { ageGauge, type Metrics } from "./metrics.ts";

/** A part's data by name, and when each was built; null: it does not say. */
export type BuiltAt = () => Readonly<Record<string, number | null>>;

export interface TellDataAge {
  /** In the health; the metric is PART_database_age_seconds. */
  readonly part: string;
  readonly builtAt: BuiltAt;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly clock: Clock;
}

/** Data that comes in files grows old without failing: its age is told where people and alarms look. */
export function tellDataAge({ part, builtAt, health, metrics, clock }: TellDataAge): void {
  const facts = (): Facts => Object.fromEntries(factsOf(builtAt(), clock()));
  health.declare(part, { facts });
  health.set(part, true);
  const name = `${part}_database_age_seconds`;
  const help = "Since the maker of the data built it, by database";
  ageGauge(metrics, { name, help, label: "database" }, builtAt, clock);
}

function* factsOf(moments: ReturnType<BuiltAt>, nowMs: number): Generator<[string, Facts[string]]> {
  for (const [name, atMs] of Object.entries(moments)) {
    yield [`${name}_built_at`, atMs === null ? null : new Date(atMs).toISOString()];
    yield [`${name}_age_days`, atMs === null ? null : Math.floor((nowMs - atMs) / DAY_MS)];
  }
}
