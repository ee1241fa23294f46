import { nameUuid, noSessionUuid } from "@vigie/service-kit/ids";
import { type Page, type PageWanted, pageOf } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import type { Person } from "./person.ts";
import { afterPlace, Values } from "./statement.ts";

/** One thing that happened to a person. */
export interface TimelineRow {
  readonly id: string;
  readonly at: Date;
  readonly session_id: string | null;
  readonly kind: string;
  readonly category: string | null;
  readonly success: boolean | null;
  readonly details: Readonly<Record<string, unknown>>;
  readonly event_id: string;
}

/** A table of what happens to people: its time, and what it says in the timeline's words. */
interface Source {
  readonly table: string;
  readonly time: string;
  readonly columns: string;
}

/** Anomalies and revocations are activities too. */
const sources: readonly Source[] = [
  {
    table: "session_activities",
    time: "timestamp",
    columns: `session_id, activity_type as kind, activity_category as category, success, details,
              event_id`,
  },
  {
    table: "session_commands",
    time: "noted_at",
    columns: `null::uuid, 'command', 'security', decided_at is not null,
              jsonb_strip_nulls(jsonb_build_object('command_id', command_id, 'command', kind,
                'channel', channel, 'reason', reason, 'actor_type', actor_type,
                'revoked_sessions', jsonb_array_length(revoked_session_keys),
                'already_ended', already_ended)), command_id`,
  },
  {
    table: "session_risk_decisions",
    time: "decided_at",
    columns: `session_id, 'risk_decision', 'security', null::boolean,
              jsonb_strip_nulls(jsonb_build_object('decision_id', decision_id, 'action', action,
                'anomaly_id', anomaly_id, 'reason', reason)), decision_id`,
  },
];

/** Newest first. Anomalies and revocations come with what their own tables know of them. */
export async function timelinePage(
  tx: Queryable,
  person: Person,
  page: PageWanted,
): Promise<Page<TimelineRow>> {
  const values = new Values();
  const none = values.put(noSessionUuid(person.tenantKey, person.userKey), "uuid");
  const tenant = values.put(person.tenantId, "uuid");
  const user = values.put(person.userId, "uuid");
  const limit = values.put(page.limit + 1, "integer");
  const rest = afterPlace(values, page.after);
  const parts = sources.map(
    ({ table, time, columns }) => `
      (select id, ${time} as at, ${columns} from ${table}
        where tenant_id = ${tenant} and user_id = ${user} ${rest(time)}
        order by ${time} desc, id desc limit ${limit})`,
  );
  const text = `
    select id, at, nullif(session_id, ${none}) as session_id, kind, category, success, details,
           event_id
      from (${parts.join(" union all ")}) as happened
     order by at desc, id desc limit ${limit}`;
  const { rows } = await tx.query<TimelineRow>(text, values.all);
  const { items, next } = pageOf(rows, page.limit, ({ at, id }) => ({ atMs: at.getTime(), id }));
  return { items: await withDetails(tx, person, items), next };
}

/** What the table of a kind adds; its rows are found by the id that they have there. */
const details = [
  {
    kind: "anomaly",
    of: "anomaly",
    text: `select id, jsonb_build_object('explanation', explanation, 'evidence', evidence,
             'rule_version', rule_version, 'retracted_at', retracted_at) as details
             from session_anomalies`,
  },
  {
    kind: "revoke",
    of: "revocation",
    text: `select id, jsonb_build_object('revocation_id', revocation_id, 'epoch_id', epoch_id) as details
             from session_revocations`,
  },
] as const;

async function withDetails(
  tx: Queryable,
  { tenantId, tenantKey, userId }: Person,
  rows: readonly TimelineRow[],
): Promise<readonly TimelineRow[]> {
  const more = new Map<string, TimelineRow["details"]>();
  for (const { kind, of, text } of details) {
    const told = rows.filter((row) => row.kind === kind);
    if (told.length === 0) continue;
    const activityOf = new Map(
      told.map(({ id, event_id }) => [nameUuid(tenantKey, of, event_id), id]),
    );
    const found = await tx.query<Pick<TimelineRow, "id" | "details">>(
      `${text} where tenant_id = $1::uuid and user_id = $2::uuid and id = any($3::uuid[])`,
      [tenantId, userId, [...activityOf.keys()]],
    );
    for (const row of found.rows) more.set(activityOf.get(row.id) ?? "", row.details);
  }
  return rows.map((row) => ({ ...row, details: { ...row.details, ...more.get(row.id) } }));
}
