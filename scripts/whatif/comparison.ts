import type { Judged, Verdicts } from "./labels.ts";
import type { Alarm } from "./replay.ts";

/** Counts of alarms under both policies, and what became of them from one to the other. */
export interface Counts {
  current: number;
  candidate: number;
  gained: number;
  lost: number;
  changed: number;
}

/** How alarms stand with what people judged. */
export interface Quality {
  truePositives: number;
  falsePositives: number;
  unlabelled: number;
  /** Judged true, and found by at least one alarm. */
  found: Set<Judged>;
}

export interface Qualities {
  readonly current: Quality;
  readonly candidate: Quality;
}

export type Fate = "gained" | "lost" | "changed";

export interface Difference {
  readonly fate: Fate;
  readonly current: Alarm | null;
  readonly candidate: Alarm | null;
}

export const noCounts = (): Counts => ({
  current: 0,
  candidate: 0,
  gained: 0,
  lost: 0,
  changed: 0,
});

const noQuality = (): Quality => ({
  truePositives: 0,
  falsePositives: 0,
  unlabelled: 0,
  found: new Set(),
});

export const noQualities = (): Qualities => ({ current: noQuality(), candidate: noQuality() });

/** Differences that are told one by one; the counts have all of them. */
export const DETAILS_MAX = 1_000;
/** Gathered before they are cut back, so that memory stays bounded. */
const GATHERED_MAX = 50_000;

interface Pair {
  current: Alarm | null;
  candidate: Alarm | null;
}

/** What two policies do otherwise, partition after partition. */
export class Comparison {
  readonly totals = noCounts();
  readonly byRule = new Map<string, Counts>();
  readonly byCountry = new Map<string, Counts>();
  /** Only of users with a difference. */
  readonly byUser = new Map<string, Counts>();
  readonly quality = noQualities();
  readonly qualityByRule = new Map<string, Qualities>();
  readonly revoked = { current: new Set<string>(), candidate: new Set<string>() };
  private readonly verdicts: Verdicts;
  private gathered: Difference[] = [];

  constructor(verdicts: Verdicts) {
    this.verdicts = verdicts;
  }

  /** The alarms of one partition. */
  add(alarms: Iterable<Alarm>): void {
    const pairs = new Map<string, Pair>();
    for (const alarm of alarms) {
      const { anomaly_id: id } = alarm.anomaly;
      const pair = pairs.get(id) ?? { current: null, candidate: null };
      // Found again is told once, as the risk engine counts it.
      if (alarm.side !== "candidate") pair.current ??= alarm;
      if (alarm.side !== "current") pair.candidate ??= alarm;
      pairs.set(id, pair);
    }
    for (const pair of pairs.values()) this.fold(pair);
  }

  /** The first differences by time, at most DETAILS_MAX of each fate. */
  details(fate: Fate): readonly Difference[] {
    return this.gathered
      .filter((one) => one.fate === fate)
      .sort(byTime)
      .slice(0, DETAILS_MAX);
  }

  private fold(pair: Pair): void {
    const { current, candidate } = pair;
    const { anomaly, country } = (current ?? candidate) as Alarm;
    const fate = fateOf(pair);
    const places = [
      this.totals,
      within(this.byRule, anomaly.kind, noCounts),
      within(this.byCountry, country, noCounts),
    ];
    if (fate !== null) {
      places.push(within(this.byUser, `${anomaly.tenant_id}|${anomaly.user_id}`, noCounts));
      this.gather({ fate, current, candidate });
    }
    for (const counts of places) count(counts, pair, fate);
    const judged = this.verdicts.of(anomaly);
    const qualities = [this.quality, within(this.qualityByRule, anomaly.kind, noQualities)];
    for (const side of ["current", "candidate"] as const) {
      const alarm = pair[side];
      if (alarm === null) continue;
      for (const quality of qualities) judge(quality[side], judged);
      const session = revokedSession(alarm);
      if (session !== null) this.revoked[side].add(session);
    }
  }

  private gather(difference: Difference): void {
    this.gathered.push(difference);
    if (this.gathered.length < GATHERED_MAX) return;
    this.gathered = (["gained", "lost", "changed"] as const).flatMap((fate) => this.details(fate));
  }
}

function fateOf({ current, candidate }: Pair): Fate | null {
  if (current === null) return "gained";
  if (candidate === null) return "lost";
  const [one, other] = [current.anomaly, candidate.anomaly];
  const isSame =
    one.severity === other.severity &&
    one.action === other.action &&
    one.risk_score === other.risk_score &&
    one.mode === other.mode;
  return isSame ? null : "changed";
}

function count(counts: Counts, { current, candidate }: Pair, fate: Fate | null): void {
  if (current !== null) counts.current += 1;
  if (candidate !== null) counts.candidate += 1;
  if (fate !== null) counts[fate] += 1;
}

function judge(quality: Quality, judged: Judged | null): void {
  if (judged === null) quality.unlabelled += 1;
  else if (!judged.isTrue) quality.falsePositives += 1;
  else {
    quality.truePositives += 1;
    quality.found.add(judged);
  }
}

/** Source: DESIGN, sessions: an anomaly in ENFORCE acts on the session that it names, none without one. */
function revokedSession({ anomaly }: Alarm): string | null {
  const { action, mode, session_id, tenant_id } = anomaly;
  const revokes = mode === "ENFORCE" && (action === "REVOKE" || action === "BLOCK");
  return revokes && session_id !== null ? `${tenant_id}|${session_id}` : null;
}

const anomalyOfDifference = ({ current, candidate }: Difference) =>
  ((current ?? candidate) as Alarm).anomaly;

function byTime(a: Difference, b: Difference): number {
  const [one, other] = [anomalyOfDifference(a), anomalyOfDifference(b)];
  return one.occurred_at - other.occurred_at || (one.anomaly_id < other.anomaly_id ? -1 : 1);
}

function within<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
