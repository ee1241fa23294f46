import type { SessionPolicy } from "@vigie/schemas/types";
import {
  type Comparison,
  type Counts,
  DETAILS_MAX,
  type Difference,
  type Fate,
  type Qualities,
  type Quality,
} from "./comparison.ts";
import type { Alarm, Replayed } from "./replay.ts";

/** Users that the report names, those with most differences first. */
const USERS_MAX = 100;

export interface Asked {
  readonly tenant: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly tenants: readonly string[];
}

export interface QualityReport {
  readonly true_positives: number;
  readonly false_positives: number;
  readonly unlabelled: number;
  /** Of the alarms that were judged, the share of true ones; null: none was judged. */
  readonly precision: number | null;
  /** Of what was judged true, the share that is found; null: nothing was. */
  readonly recall: number | null;
}

interface Named extends Counts {
  readonly name: string;
}

export interface Report {
  readonly format: 1;
  readonly tenants: readonly string[];
  readonly from: string | null;
  readonly to: string | null;
  readonly events: number;
  readonly events_before: number;
  readonly users: number;
  readonly policies: {
    readonly key: string;
    readonly version: number;
    readonly current: unknown;
    readonly candidate: unknown;
  };
  readonly alarms: Counts;
  readonly by_rule: readonly Named[];
  readonly by_country: readonly Named[];
  readonly by_user: readonly Named[];
  readonly users_affected: number;
  readonly revoked_sessions: Counts;
  readonly labels: {
    readonly judged_true: number;
    readonly judged_false: number;
    /** They name an alarm that the history does not hold. */
    readonly without_alarm: number;
    readonly current: QualityReport;
    readonly candidate: QualityReport;
    readonly by_rule: readonly {
      readonly name: string;
      readonly current: QualityReport;
      readonly candidate: QualityReport;
    }[];
  };
  readonly details_max: number;
  readonly gained: readonly unknown[];
  readonly lost: readonly unknown[];
  readonly changed: readonly unknown[];
}

export interface Judgements {
  readonly trueCount: number;
  readonly falseCount: number;
  readonly unknown: number;
  /** How many were judged true, by rule. */
  readonly trueByRule: ReadonlyMap<string, number>;
}

export interface Findings {
  readonly asked: Asked;
  readonly count: Replayed;
  readonly comparison: Comparison;
  /** The record that holds both documents. */
  readonly policy: SessionPolicy;
  readonly judgements: Judgements;
}

/** The whole difference. Of the same history and policies always the same: nothing in it tells when or where it was made. */
export function reportOf(findings: Findings): Report {
  const { asked, count, comparison, policy, judgements } = findings;
  const { candidate, ...current } = JSON.parse(policy.document) as {
    readonly candidate: { readonly document: unknown };
  };
  const details = (fate: Fate): unknown[] => comparison.details(fate).map(detailOf);
  return {
    format: 1,
    tenants: asked.tenants,
    from: timeText(asked.fromMs),
    to: timeText(asked.toMs),
    events: count.events,
    events_before: count.before,
    users: count.users,
    policies: {
      key: policy.tenant_id,
      version: policy.version,
      current,
      candidate: candidate.document,
    },
    alarms: comparison.totals,
    by_rule: named(comparison.byRule),
    by_country: named(comparison.byCountry),
    by_user: named(comparison.byUser).sort(byDifferences).slice(0, USERS_MAX),
    users_affected: comparison.byUser.size,
    revoked_sessions: revokedOf(comparison),
    labels: labelsOf(comparison, judgements),
    details_max: DETAILS_MAX,
    gained: details("gained"),
    lost: details("lost"),
    changed: details("changed"),
  };
}

const timeText = (ms: number): string | null =>
  ms === 0 || !Number.isFinite(ms) ? null : new Date(ms).toISOString();

const byName = (a: { readonly name: string }, b: { readonly name: string }): number =>
  a.name < b.name ? -1 : 1;

const named = (counts: ReadonlyMap<string, Counts>): Named[] =>
  [...counts].map(([name, own]) => ({ name, ...own })).sort(byName);

const differences = ({ gained, lost, changed }: Counts): number => gained + lost + changed;

const byDifferences = (a: Named, b: Named): number =>
  differences(b) - differences(a) || byName(a, b);

function revokedOf({ revoked: { current, candidate } }: Comparison): Counts {
  const gained = [...candidate].filter((session) => !current.has(session)).length;
  const lost = [...current].filter((session) => !candidate.has(session)).length;
  return { current: current.size, candidate: candidate.size, gained, lost, changed: 0 };
}

function labelsOf(comparison: Comparison, judgements: Judgements): Report["labels"] {
  const { quality, qualityByRule } = comparison;
  const { trueCount, falseCount, unknown, trueByRule } = judgements;
  const rules = new Map<string, Qualities | null>(qualityByRule);
  for (const rule of trueByRule.keys()) if (!rules.has(rule)) rules.set(rule, null);
  return {
    judged_true: trueCount,
    judged_false: falseCount,
    without_alarm: unknown,
    current: qualityOf(quality.current, trueCount),
    candidate: qualityOf(quality.candidate, trueCount),
    by_rule: [...rules]
      .map(([name, own]) => ({
        name,
        current: qualityOf(own?.current ?? null, trueByRule.get(name) ?? 0),
        candidate: qualityOf(own?.candidate ?? null, trueByRule.get(name) ?? 0),
      }))
      .sort(byName),
  };
}

/** Enough to tell two policies apart, and the same on every machine. */
const share = (part: number, whole: number): number | null =>
  whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;

function qualityOf(quality: Quality | null, judgedTrue: number): QualityReport {
  const { truePositives = 0, falsePositives = 0, unlabelled = 0, found } = quality ?? {};
  return {
    true_positives: truePositives,
    false_positives: falsePositives,
    unlabelled,
    precision: share(truePositives, truePositives + falsePositives),
    recall: share(found?.size ?? 0, judgedTrue),
  };
}

function detailOf({ current, candidate }: Difference): unknown {
  const { anomaly, country } = (candidate ?? current) as Alarm;
  return {
    anomaly_id: anomaly.anomaly_id,
    kind: anomaly.kind,
    tenant_id: anomaly.tenant_id,
    user: anomaly.user_id,
    session: anomaly.session_id,
    country,
    occurred_at: new Date(anomaly.occurred_at).toISOString(),
    current: current && judgementOf(current),
    candidate: candidate && judgementOf(candidate),
  };
}

const judgementOf = ({ anomaly }: Alarm): unknown => ({
  severity: anomaly.severity,
  risk_score: anomaly.risk_score,
  action: anomaly.action,
  mode: anomaly.mode,
  evidence: anomaly.evidence,
  explanation: anomaly.explanation,
});
