import { type Page, type PageWanted, pageOf } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Person } from "./person.ts";
import { afterPlace, Values } from "./statement.ts";

export interface AnomalyRow {
  readonly id: string;
  readonly anomaly_id: string;
  readonly session_id: string | null;
  readonly kind: string;
  readonly severity: string;
  readonly risk_score: number;
  readonly action: string;
  readonly mode: string;
  readonly occurred_at: Date;
  readonly detected_at: Date;
  readonly rule_version: string;
  readonly policy_version: number;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly explanation: string;
  readonly retracted_at: Date | null;
  /** The anomaly_id of what withdraws it. */
  readonly retracted_by: string | null;
  /** The newest verdict; null without one. */
  readonly label: string | null;
  readonly labelled_at: Date | null;
}

/** Anomalies of a person, the newest first. */
export async function anomaliesPage(
  tx: Queryable,
  person: Person,
  { after, limit }: PageWanted,
): Promise<Page<AnomalyRow>> {
  const values = new Values();
  const tenant = values.put(person.tenantId, "uuid");
  const user = values.put(person.userId, "uuid");
  const rest = afterPlace(values, after)("occurred_at");
  const text = `
    select anomaly.*, label, labelled_at
      from (select id, anomaly_id, session_id, kind, severity, risk_score, action, mode,
                   occurred_at, detected_at, rule_version, policy_version, evidence, explanation,
                   retracted_at, retracted_by
              from session_anomalies
             where tenant_id = ${tenant} and user_id = ${user} ${rest}
             order by occurred_at desc, id desc
             limit ${values.put(limit + 1, "integer")}) as anomaly
      left join lateral (
        select lower(label) as label, labelled_at from session_anomaly_verdicts verdict
         where verdict.id = anomaly.id order by labelled_at desc limit 1) as newest on true
     order by occurred_at desc, anomaly.id desc`;
  const { rows } = await tx.query<AnomalyRow>(text, values.all);
  return pageOf(rows, limit, ({ occurred_at, id }) => ({ atMs: occurred_at.getTime(), id }));
}
