import { DAY_MS } from "@vigie/core/time";
import type { Database } from "@vigie/service-kit/postgres/database";
import { dayOf } from "./batch.ts";
import { isoTime } from "./rows/ids.ts";

/** A day's count only grows: sessions that retention has deleted had begun all the same. */
const COUNT_DAY = `
  insert into session_usage as held (tenant_id, day, session_type, sessions)
  select tenant.id, $1::timestamp::date, begun.session_type, begun.sessions
    from tenants tenant
   cross join lateral (
     select session_type, count(*) as sessions from user_sessions
      where tenant_id = tenant.id and status not in ('PENDING', 'NONE', 'REFUSED')
        and created_at >= $1::timestamp and created_at < $1::timestamp + interval '1 day'
      group by session_type) as begun
  on conflict (tenant_id, day, session_type) do update set sessions = excluded.sessions
   where held.sessions < excluded.sessions`;

export interface UsageOptions {
  readonly database: Database;
  /** Days after which no session is told of as begun any more. */
  readonly daysLate: number;
}

/**
 * OBS-07: counts the sessions that began on each day. The first run looks back as far as a session may be told of
 * late, the next ones at today and yesterday; a day is one short statement.
 */
export function createUsageCounter({ database, daysLate }: UsageOptions) {
  let days = daysLate + 1;
  return async function count(nowMs: number): Promise<void> {
    for (let back = days - 1; back >= 0; back--) {
      const midnight = isoTime(Date.parse(dayOf(nowMs - back * DAY_MS)));
      await database.query(COUNT_DAY, [midnight]);
    }
    days = 2;
  };
}
