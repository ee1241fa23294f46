import { VigError } from "@vigie/core/errors";
import { SECOND_MS } from "@vigie/core/time";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { PageWanted } from "@vigie/service-kit/keyset";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { clientAnswer, nextAnswer, sessionAnswer } from "./answers.ts";
import { devicesPage } from "./devices.ts";
import { callingPerson, currentSessionId, type Person } from "./person.ts";
import type { Reading } from "./reading.ts";
import {
  ACTIVITIES_COUNTED_MAX,
  type ActivityCount,
  activeRows,
  activityCounts,
  currentRow,
  sessionCounts,
} from "./sessions-read.ts";
import { timelinePage } from "./timeline.ts";

/** SES-12. Throws: VIG_NOT_FOUND for a token without a session. */
export async function currentAnswer(reading: Reading, caller: Caller) {
  const who = callingPerson(caller);
  const id = currentSessionId(caller);
  if (id === null) throw new VigError("VIG_NOT_FOUND", { what: "session in the token" });
  const { row, counts } = await reading.read(who.tenantKey, async (tx) => {
    const row = await currentRow(tx, who, id);
    return { row, counts: await activityCounts(tx, who, row) };
  });
  const [session] = reading.judged([row]);
  if (session === undefined || !session.isActive) throw new VigError("VIG_SESSION_ENDED");
  const durationMs = reading.clock() - row.created_at.getTime();
  return {
    ...sessionAnswer(session, id),
    statistics: {
      ...activityStatistics(counts),
      duration_s: Math.max(0, Math.floor(durationMs / SECOND_MS)),
    },
  };
}

function activityStatistics(counts: readonly ActivityCount[]) {
  const byType: Record<string, number> = {};
  const byCategory: Record<string, number> = {};
  let activities = 0;
  for (const { activity_type: type, activity_category: category, count } of counts) {
    activities += count;
    byType[type] = (byType[type] ?? 0) + count;
    if (category !== null) byCategory[category] = (byCategory[category] ?? 0) + count;
  }
  const firsts = counts.map(({ first }) => first.getTime());
  const lasts = counts.map(({ last }) => last.getTime());
  return {
    activities,
    is_complete: activities < ACTIVITIES_COUNTED_MAX,
    by_type: byType,
    by_category: byCategory,
    first_activity_at: counts.length === 0 ? null : new Date(Math.min(...firsts)).toISOString(),
    last_activity_at: counts.length === 0 ? null : new Date(Math.max(...lasts)).toISOString(),
  };
}

/** SES-13, CNF-33. */
export async function statisticsAnswer(reading: Reading, who: Person) {
  const nowMs = reading.clock();
  const { counts, rows } = await reading.read(who.tenantKey, async (tx) => ({
    counts: await sessionCounts(tx, who, nowMs),
    rows: await activeRows(tx, who),
  }));
  const active = reading.judged(rows).filter(({ isActive }) => isActive).length;
  return {
    total_sessions: counts.total,
    active_sessions: active,
    expired_sessions: Math.max(0, counts.total - active),
    recent_sessions_24h: counts.recent,
    timestamp: new Date(nowMs).toISOString(),
  };
}

export async function timelineAnswer(tx: Queryable, who: Person, wanted: PageWanted) {
  const page = await timelinePage(tx, who, wanted);
  const items = page.items.map((row) => ({ ...row, at: row.at.toISOString() }));
  return { items, next: nextAnswer(page) };
}

/** PRV-04, SES-23. */
export async function devicesAnswer(reading: Reading, caller: Caller, wanted: PageWanted) {
  const who = callingPerson(caller);
  const { page, rows } = await reading.read(who.tenantKey, async (tx) => ({
    page: await devicesPage(tx, who, wanted),
    rows: await activeRows(tx, who),
  }));
  const currentId = currentSessionId(caller);
  const active = reading
    .judged(rows)
    .filter(({ isActive }) => isActive)
    .map((session) => sessionAnswer(session, currentId));
  const devices = page.items.map((device) => {
    const sessions = active.filter(({ device_id }) => device_id === device.id);
    return {
      device_id: device.id,
      device_key: device.external_id,
      first_seen_at: device.first_seen_at.toISOString(),
      last_seen_at: device.last_activity?.toISOString() ?? null,
      is_current: sessions.some(({ is_current }) => is_current),
      client_info: clientAnswer(device.client_info),
      country: device.country,
      city: device.city,
      sessions,
    };
  });
  return { devices, next: nextAnswer(page) };
}
