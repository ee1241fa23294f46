import { DAY_MS } from "@vigie/core/time";
import type { Queryable } from "@vigie/service-kit/postgres/database";

/** Whole days in UTC, YYYY-MM-DD; `until` is the day after the last one. */
export interface Period {
  readonly from: string;
  readonly until: string;
}

export interface Usage extends Period {
  readonly days: readonly UsageDay[];
  readonly by_channel: Readonly<Record<string, number>>;
  readonly sessions: number;
  readonly previous_sessions: number;
  readonly growth: number | null;
}

interface UsageDay {
  readonly day: string;
  readonly channel: string;
  readonly sessions: number;
}

const DAYS = `
  select to_char(day, 'YYYY-MM-DD') as day, session_type as channel, sessions from session_usage
   where tenant_id = $1::uuid and day >= $2::date and day < $3::date
   order by day, session_type`;

/** OBS-07: sessions begun by day and channel, and how many more than in as many days before. */
export async function usageOf(
  tx: Queryable,
  tenantId: string,
  { from, until }: Period,
): Promise<Usage> {
  const before = dayText(2 * dayMs(from) - dayMs(until));
  const { rows } = await tx.query<UsageDay>(DAYS, [tenantId, before, until]);
  const days = rows.filter(({ day }) => day >= from);
  const sessions = sumOf(days);
  const previous = sumOf(rows) - sessions;
  const byChannel: Record<string, number> = {};
  for (const { channel, sessions: begun } of days) {
    byChannel[channel] = (byChannel[channel] ?? 0) + begun;
  }
  return {
    from,
    until,
    days,
    by_channel: byChannel,
    sessions,
    previous_sessions: previous,
    growth: previous === 0 ? null : sessions / previous - 1,
  };
}

const sumOf = (days: readonly UsageDay[]): number =>
  days.reduce((sum, { sessions }) => sum + sessions, 0);

const dayMs = (day: string): number => Date.parse(`${day}T00:00:00Z`);
const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The last `days` days, today among them. */
export const lastDays = (nowMs: number, days: number): Period => ({
  from: dayText(nowMs - (days - 1) * DAY_MS),
  until: dayText(nowMs + DAY_MS),
});
