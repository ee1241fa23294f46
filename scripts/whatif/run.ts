import type { SessionPolicy } from "@vigie/schemas/types";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { Comparison } from "./comparison.ts";
import { judgedOf, openHistory } from "./history-set.ts";
import { Verdicts } from "./labels.ts";
import { EVERYBODY, policiesWith } from "./policies.ts";
import { Replay, type Replayed } from "./replay.ts";
import { type Report, reportOf } from "./report.ts";

export interface WhatIf {
  readonly directory: string;
  readonly keys: Keys;
  /** Null: all; then the documents are those that every tenant's lies over. */
  readonly tenant: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly candidate: object;
  /** Null: what the history says was in force when it was exported. */
  readonly current: object | null;
  /** Given besides those of the history; they win. */
  readonly labels: ReadonlyMap<string, boolean>;
}

/** Replays history under both policies. Throws: as `openHistory` and the reading of its files. */
export function whatIf(asked: WhatIf): { readonly report: Report; readonly count: Replayed } {
  const { directory, keys, tenant, fromMs, toMs, candidate, current } = asked;
  const history = openHistory(directory, tenant, keys, asked.labels);
  const key = tenant ?? EVERYBODY;
  const policies = policiesWith(history.policies, { key, candidate, current });
  const { judged, unknown } = judgedOf(history, fromMs, toMs);
  const verdicts = new Verdicts(judged);
  const comparison = new Comparison(verdicts);
  const { erased } = history;
  const policyOf = (of: string): SessionPolicy | undefined => policies.get(of);
  const replay = new Replay({ keys, policyOf, fromMs, toMs, erased });
  for (const partition of history.partitions) comparison.add(replay.partition(partition));
  const trueByRule = new Map<string, number>();
  for (const { kind, isTrue } of judged) {
    if (isTrue) trueByRule.set(kind, (trueByRule.get(kind) ?? 0) + 1);
  }
  const { trueCount, falseCount } = verdicts;
  const report = reportOf({
    asked: { tenant, fromMs, toMs, tenants: history.tenants },
    count: replay.count,
    comparison,
    policy: policies.get(key) as SessionPolicy,
    judgements: { trueCount, falseCount, unknown, trueByRule },
  });
  return { report, count: replay.count };
}
