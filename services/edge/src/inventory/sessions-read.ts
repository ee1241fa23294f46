import { VigError } from "@vigie/core/errors";
import { DAY_MS } from "@vigie/core/time";
import type { Page } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import type { Person } from "./person.ts";
import { SESSION_COLUMNS, type SessionRow } from "./session-rows.ts";
import {
  type FoundSession,
  foundPage,
  type SearchPage,
  type SessionFilter,
  sessionSearch,
} from "./session-search.ts";
import { timeText } from "./statement.ts";

export async function searchSessions(
  tx: Queryable,
  tenantId: string,
  filter: SessionFilter,
  page: SearchPage,
): Promise<Page<SessionRow>> {
  const { text, values } = sessionSearch(tenantId, filter, page);
  const { rows } = await tx.query<FoundSession>(text, values);
  return foundPage(rows, page.limit);
}

/** More live sessions than any policy lets one person have (100). */
const ACTIVE_MAX = 500;

/** All rows of a person that may be active; the newest ones, should there be more than a policy can allow. */
export async function activeRows(tx: Queryable, person: Person): Promise<readonly SessionRow[]> {
  const filter = { userId: person.userId, status: "ACTIVE" };
  const page = { after: null, limit: ACTIVE_MAX };
  return (await searchSessions(tx, person.tenantId, filter, page)).items;
}

const ONE = `select ${SESSION_COLUMNS} from user_sessions
  where id = $1::uuid and tenant_id = $2::uuid and user_id = $3::uuid
    and ${IS_SESSION}`;

/**
 * A session of the person.
 * Throws: VIG_SESSION_STATE_UNKNOWN while the tables have not heard of it: its token says that it has begun.
 */
export async function currentRow(tx: Queryable, person: Person, id: string): Promise<SessionRow> {
  const { rows } = await tx.query<SessionRow>(ONE, [id, person.tenantId, person.userId]);
  const [row] = rows;
  if (row !== undefined) return row;
  throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "it has not been stored yet" });
}

const COUNTS = `
  select count(*) as total, count(*) filter (where created_at > $3::timestamp) as recent
    from user_sessions
   where tenant_id = $1::uuid and user_id = $2::uuid and ${IS_SESSION}`;

export interface SessionCounts {
  readonly total: number;
  /** Begun within the last 24 hours. */
  readonly recent: number;
}

export async function sessionCounts(
  tx: Queryable,
  { tenantId, userId }: Person,
  nowMs: number,
): Promise<SessionCounts> {
  const values = [tenantId, userId, timeText(nowMs - DAY_MS)];
  const { rows } = await tx.query<SessionCounts>(COUNTS, values);
  return rows[0] ?? { total: 0, recent: 0 };
}

/** Activities that one call counts. Source: docs/query-plans.md, so many stay under 50 ms. */
export const ACTIVITIES_COUNTED_MAX = 10_000;
/** What comes before a session, as a second factor, may be a part of it. */
const BEFORE_MS = DAY_MS;

const ACTIVITIES = `
  select activity_type, activity_category, count(*) as count, min(timestamp) as first,
         max(timestamp) as last
    from (select activity_type, activity_category, timestamp from session_activities
           where session_id = $1::uuid and tenant_id = $2::uuid and user_id = $3::uuid
             and timestamp >= $4::timestamp
           limit ${ACTIVITIES_COUNTED_MAX}) as counted
   group by activity_type, activity_category`;

export interface ActivityCount {
  readonly activity_type: string;
  readonly activity_category: string | null;
  readonly count: number;
  readonly first: Date;
  readonly last: Date;
}

/** SES-12: what was done in a session, by type. */
export async function activityCounts(
  tx: Queryable,
  person: Person,
  session: SessionRow,
): Promise<readonly ActivityCount[]> {
  const from = timeText(session.created_at.getTime() - BEFORE_MS);
  const values = [session.id, person.tenantId, person.userId, from];
  return (await tx.query<ActivityCount>(ACTIVITIES, values)).rows;
}
