import { sessionKey } from "@vigie/core/keys";
import { dlq, drop, type Outcome, ok } from "@vigie/core/outcome";
import { DAY_MS } from "@vigie/core/time";
import type { SessionAnomaly, SessionRevoked, SessionState } from "@vigie/schemas/types";

/** 9999-12-31T23:59:59.999Z: the last time whose ISO 8601 form PostgreSQL and we write alike. */
const TIME_MAX_MS = 253_402_300_799_999;
/** Oldest and newest day that an activity of our own topics may open, from the record's arrival. */
const BEHIND_MAX_MS = 400 * DAY_MS;
const AHEAD_MAX_MS = DAY_MS;

const isTime = (ms: number): boolean => Number.isFinite(ms) && ms >= 0 && ms <= TIME_MAX_MS;

/** What our own services publish is judged too: one bad record must not hold up a partition. */
export function judgeState(state: SessionState, key: string): Outcome<SessionState> {
  const { tenant_id, user_id, session_id } = state;
  if (key !== sessionKey(tenant_id, user_id, session_id)) return dlq("VIG_RECORD_KEY_MISMATCH");
  if (state.status === "UNKNOWN") return drop("unknown_kind");
  const { created_at, last_seen_at, idle_expires_at, absolute_expires_at } = state;
  const { ended_at, step_up_required_at } = state;
  const times = {
    created_at,
    last_seen_at,
    idle_expires_at,
    absolute_expires_at,
    ended_at,
    step_up_required_at,
  };
  for (const [path, ms] of Object.entries(times)) {
    if (ms !== null && !isTime(ms)) return dlq("VIG_EVENT_FIELD_INVALID", { path, why: NO_TIME });
  }
  return ok(state);
}

const NO_TIME = "is not a time of the years 1970 to 9999";

export function judgeAnomaly(
  anomaly: SessionAnomaly,
  recordTimestampMs: number,
): Outcome<SessionAnomaly> {
  if (!isTime(anomaly.detected_at)) {
    return dlq("VIG_EVENT_FIELD_INVALID", { path: "detected_at", why: NO_TIME });
  }
  return outOfTime(anomaly.occurred_at, recordTimestampMs) ?? ok(anomaly);
}

export const judgeRevoked = (
  revoked: SessionRevoked,
  recordTimestampMs: number,
): Outcome<SessionRevoked> => outOfTime(revoked.revoked_at, recordTimestampMs) ?? ok(revoked);

function outOfTime(atMs: number, recordTimestampMs: number): Outcome<never> | null {
  const aheadMs = atMs - recordTimestampMs;
  if (aheadMs > AHEAD_MAX_MS) return dlq("VIG_EVENT_AHEAD", { aheadMs });
  if (-aheadMs > BEHIND_MAX_MS) return dlq("VIG_EVENT_TOO_OLD", { behindMs: -aheadMs });
  return null;
}
