import { existsSync } from "node:fs";
import { VigError } from "@vigie/core/errors";
import type { SessionPolicy } from "@vigie/schemas/types";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { type Fact, type HistoryFile, listHistory, readFacts } from "../history/history-file.ts";
import type { Judged } from "./labels.ts";

/** The files of a directory that belong together, and what they know beside the events. */
export interface HistorySet {
  /** By tenant and partition, each in the order of time. */
  readonly partitions: readonly (readonly HistoryFile[])[];
  readonly tenants: readonly string[];
  /** As they were when the newest files were exported. */
  readonly policies: ReadonlyMap<string, SessionPolicy>;
  readonly erased: ReadonlyMap<string, number>;
  readonly alarms: ReadonlyMap<string, AlarmFact>;
  readonly labels: ReadonlyMap<string, LabelFact>;
}

/**
 * `given`: verdicts besides those of the files; they win.
 * Throws: VIG_HISTORY_EMPTY, VIG_HISTORY_MIXED, VIG_HISTORY_OVERLAP, VIG_HISTORY_TORN, VIG_HISTORY_KEY.
 */
export function openHistory(
  directory: string,
  tenant: string | null,
  keys: Keys,
  given: ReadonlyMap<string, boolean> = new Map(),
): HistorySet {
  if (!existsSync(directory)) throw new VigError("VIG_HISTORY_EMPTY", { where: directory });
  const all = listHistory(directory).filter(
    ({ head }) => tenant === null || head.tenant === tenant,
  );
  const events = all.filter(({ head }) => head.kind === "events");
  if (events.length === 0) {
    const where = tenant === null ? directory : `${directory} of tenant ${tenant}`;
    throw new VigError("VIG_HISTORY_EMPTY", { where });
  }
  checkPseudonyms(all);
  const partitions = byPartition(events);
  const facts = all.filter(({ head }) => head.kind === "facts").sort(byTime);
  checkWhole(events, facts);
  return { partitions, tenants: tenantsOf(events), ...gather(facts, keys, given) };
}

const tenantsOf = (files: readonly HistoryFile[]): readonly string[] =>
  [...new Set(files.map(({ head }) => head.tenant))].sort();

/** The user of one key's files would be another person in those of another key. */
function checkPseudonyms(files: readonly HistoryFile[]): void {
  const keyOf = new Map<string, string>();
  for (const { head } of files) {
    const { tenant, pseudonymKeyId: other } = head;
    const one = keyOf.get(tenant) ?? other;
    if (one !== other) throw new VigError("VIG_HISTORY_MIXED", { tenant, one, other });
    keyOf.set(tenant, one);
  }
}

/** An export names its facts last: without them it was ended before, and partitions may be missing. */
function checkWhole(events: readonly HistoryFile[], facts: readonly HistoryFile[]): void {
  const timeOf = ({ head }: HistoryFile) => `${head.tenant}|${head.fromMs}|${head.toMs}`;
  const whole = new Set(facts.map(timeOf));
  const torn = events.find((file) => !whole.has(timeOf(file)));
  if (torn === undefined) return;
  throw new VigError("VIG_HISTORY_TORN", { file: torn.path, why: "its export did not end" });
}

const byTime = (a: HistoryFile, b: HistoryFile): number =>
  a.head.fromMs - b.head.fromMs || a.head.toMs - b.head.toMs || (a.path < b.path ? -1 : 1);

function byPartition(files: readonly HistoryFile[]): readonly (readonly HistoryFile[])[] {
  const partitions = new Map<string, HistoryFile[]>();
  for (const file of files) {
    const name = `${file.head.tenant}|${String(file.head.partition).padStart(6, "0")}`;
    partitions.set(name, [...(partitions.get(name) ?? []), file]);
  }
  const sorted = [...partitions].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, partition]) => {
    partition.sort(byTime);
    partition.forEach((file, i) => {
      const next = partition[i + 1];
      if (next !== undefined && next.head.fromMs < file.head.toMs) {
        throw new VigError("VIG_HISTORY_OVERLAP", { one: file.path, other: next.path });
      }
    });
    return partition;
  });
}

function gather(files: readonly HistoryFile[], keys: Keys, given: ReadonlyMap<string, boolean>) {
  const policies = new Map<string, SessionPolicy>();
  const erased = new Map<string, number>();
  const labels = new Map<string, LabelFact>();
  for (const fact of factsOf(files, keys)) {
    if (fact.type === "policy") policies.set(fact.key, recordOf(fact));
    else if (fact.type === "erased") {
      erased.set(fact.user, Math.max(fact.untilMs, erased.get(fact.user) ?? 0));
    } else if (fact.type === "label") {
      const known = labels.get(fact.id);
      if (known === undefined || known.labelledAtMs <= fact.labelledAtMs) labels.set(fact.id, fact);
    }
  }
  for (const [id, isTrue] of given) {
    labels.set(id, { type: "label", id, isTrue, labelledAtMs: Number.MAX_SAFE_INTEGER });
  }
  // A second time through the files: of all alarms only those that were judged are kept in memory.
  const alarms = new Map<string, AlarmFact>();
  for (const fact of labels.size === 0 ? [] : factsOf(files, keys)) {
    if (fact.type === "alarm" && labels.has(fact.id)) alarms.set(fact.id, fact);
  }
  return { policies, erased, alarms, labels };
}

function* factsOf(files: readonly HistoryFile[], keys: Keys): Generator<Fact> {
  for (const file of files) yield* readFacts(file, keys);
}

type LabelFact = Extract<Fact, { type: "label" }>;
type AlarmFact = Extract<Fact, { type: "alarm" }>;

const recordOf = ({
  key,
  version,
  document,
}: Extract<Fact, { type: "policy" }>): SessionPolicy => ({
  tenant_id: key,
  version,
  updated_at: 0,
  actor: { type: "SYSTEM", id: "history", impersonator_id: null },
  document,
});

/** Labels of alarms of this time, and how many name an alarm that the history does not hold. */
export function judgedOf(
  { alarms, labels }: Pick<HistorySet, "alarms" | "labels">,
  fromMs: number,
  toMs: number,
): { readonly judged: readonly Judged[]; readonly unknown: number } {
  const judged: Judged[] = [];
  let unknown = 0;
  for (const { id, isTrue } of labels.values()) {
    const alarm = alarms.get(id);
    if (alarm === undefined) unknown += 1;
    else if (alarm.atMs >= fromMs && alarm.atMs < toMs) {
      judged.push({ kind: alarm.kind, user: alarm.user, causes: alarm.causes, isTrue });
    }
  }
  return { judged, unknown };
}
