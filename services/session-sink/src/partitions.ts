import { DAY_MS } from "@vigie/core/time";
import type { Database } from "@vigie/service-kit/postgres/database";
import { dayOf } from "./batch.ts";

/** Days that have their partition before their first event comes. */
const DAYS_AHEAD = 2;

export interface Partitions {
  /** Creates what the days need and nobody has created, each in a transaction of its own. */
  ensure(days: readonly string[]): Promise<void>;
  /** Today's and the next days'. */
  ensureAhead(nowMs: number): Promise<void>;
  /** Drops days that ended more than `days` ago. Returns: how many. */
  dropOlderThan(days: number, nowMs: number): Promise<number>;
}

/** One partition of session_activities a day. */
export function activityPartitions(database: Database): Partitions {
  const present = new Set<string>();
  const ensure = async (days: readonly string[]): Promise<void> => {
    for (const day of days) {
      if (present.has(day)) continue;
      await database.query("select ensure_activity_partition($1::date)", [day]);
      present.add(day);
    }
  };
  return {
    ensure,
    ensureAhead: (nowMs) =>
      ensure(Array.from({ length: DAYS_AHEAD + 1 }, (_, i) => dayOf(nowMs + i * DAY_MS))),
    async dropOlderThan(days, nowMs) {
      const before = dayOf(nowMs - days * DAY_MS);
      for (const day of present) if (day < before) present.delete(day);
      const { rows } = await database.query<{ dropped: number }>(
        "select drop_activity_partitions($1::date) as dropped",
        [before],
      );
      return rows[0]?.dropped ?? 0;
    },
  };
}
