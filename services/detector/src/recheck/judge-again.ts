import { type VersionedPolicy, versionedFor } from "@vigie/core/policy";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { type Enrichment, LazyEvent, type RawEvent } from "#enrich/event";
import type { AnyRule, EventKind } from "#rules/rule";
import { Habits } from "#state/habits";
import { Population } from "#state/population";
import { PRECISION_MAX } from "#state/precision";

/** stands; contradicted by the data; events_gone: its events are no longer in the topics, so nobody can say. */
export type Verdict = "stands" | "contradicted" | "events_gone";

/** An event of an input topic. */
export interface FoundEvent {
  readonly kind: EventKind;
  readonly raw: RawEvent;
}

export interface Bench {
  readonly rules: readonly AnyRule[];
  readonly enrichment: Enrichment;
  /** Of a tenant. */
  policyOf(tenantId: string): VersionedPolicy;
}

// What is found of coarse places is found of the fine ones, and nothing is kept of these here.
const known = {
  precision: PRECISION_MAX,
  habits: () => Habits.none,
  population: () => Population.none,
};

/** Judges an anomaly again by its events, each `undefined` that was not found, oldest first. */
export function judgeAgain(
  anomaly: SessionAnomaly,
  events: readonly (FoundEvent | undefined)[],
  { rules, enrichment, policyOf }: Bench,
): Verdict {
  const found = events.filter((event) => event !== undefined);
  const last = found.at(-1);
  if (last === undefined || found.length < events.length) return "events_gone";
  const rule = rules.find(({ meta }) => meta.name === anomaly.kind);
  if (rule?.stands === undefined) return "stands";
  const policy = versionedFor(policyOf(anomaly.tenant_id), last.raw);
  const enriched = found.map(({ kind, raw }) => new LazyEvent(kind, raw, enrichment, known));
  return rule.stands(anomaly, enriched, policy.document) ? "stands" : "contradicted";
}
