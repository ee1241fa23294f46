import type { Metrics } from "@vigie/service-kit/metrics";
import type { Written } from "./store.ts";

/** What one write did, with the records that are none of the audit's. */
export type Done = Written & { readonly skipped: number };

/** Makes metrics of what is written; told after the commit, so that a repeated try counts once. */
export function createTold(metrics: Metrics): (done: Done) => void {
  const records = metrics.counter("vigie_audit_records_total", "Records by what became of them", [
    "outcome",
  ]);
  const head = metrics.gauge("vigie_audit_entries", "Index of the newest entry", [], "max");
  return ({ appended, repeated, conflicts, skipped, headIndex }) => {
    const outcomes = { appended, repeated, conflict: conflicts.length, skipped };
    for (const [outcome, count] of Object.entries(outcomes)) {
      if (count > 0) records.inc({ outcome }, count);
    }
    head.set(headIndex);
  };
}
