import type { Metrics } from "@vigie/service-kit/metrics";
import type { Written } from "./store.ts";

/** What one write did, with the records that are none of the audit's. */
export type Told = Written & { readonly skipped: number };

/** Makes metrics of what is written; told after the commit, so that a repeated try counts once. */
export function createTold(metrics: Metrics): (told: Told) => void {
  const records = metrics.counter("vigie_audit_records_total", "Records by what became of them", [
    "outcome",
  ]);
  const missed = metrics.counter(
    "vigie_audit_gaps_total",
    "Holes in emitters' series, and series that broke off",
  );
  const size = metrics.gauge("vigie_audit_leaves", "Leaves of the log", [], "max");
  return (told) => {
    const { appended, repeated, conflicts, gaps, skipped } = told;
    const outcomes = { appended, repeated, conflict: conflicts.length, skipped };
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count > 0) records.inc({ outcome }, count);
    }
    if (gaps.length > 0) missed.inc(gaps.length);
    size.set(told.size);
  };
}
