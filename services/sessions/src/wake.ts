import { deadlinesOf, expiryOf, longestLifeMs } from "@vigie/core/session-deadlines";
import { PUBLISH_INTERVAL_MS } from "./decide.ts";
import { Draft, type Setting } from "./draft.ts";
import type { Change } from "./evolve.ts";
import type { UserState } from "./state.ts";

/** What time alone brings about by `setting.nowMs`: sessions run out, last sightings are published, the ended are forgotten. */
export function decideWake(state: UserState, setting: Setting): readonly Change[] {
  const { nowMs, policy, outages } = setting;
  const draft = new Draft(state, setting);
  for (const session of state.live) {
    const expiry = expiryOf(session, policy.document, outages, nowMs);
    if (expiry !== null) draft.end(session, expiry);
    else if (session.pending && nowMs - session.version >= PUBLISH_INTERVAL_MS) {
      draft.update(session, false);
    }
  }
  for (const ended of draft.state.ended) {
    if (ended.forgetAtMs <= nowMs) draft.forget(ended, null);
  }
  for (const tombstone of draft.state.tombstones) {
    if (tombstone.forgetAtMs <= nowMs) draft.unearth(tombstone, null);
  }
  if (barrierEndMs(draft.state, setting) <= nowMs) draft.apply({ type: "barrier_lifted" });
  return draft.changes;
}

/** When nothing can be admitted any more that a user's not_before would refuse. */
function barrierEndMs(state: UserState, { policy, maxEventAgeMs }: Setting): number {
  if (state.notBeforeMs === 0) return Number.POSITIVE_INFINITY;
  return state.notBeforeMs + longestLifeMs(policy.document) + maxEventAgeMs;
}

/** The earliest time at which decideWake would find something to do; null: never. */
function dueAtMs(state: UserState, setting: Setting): number | null {
  let dueMs = barrierEndMs(state, setting);
  for (const session of state.live) {
    const { idleExpiresAtMs } = deadlinesOf(session, setting.policy.document, setting.outages);
    dueMs = Math.min(dueMs, idleExpiresAtMs);
    if (session.pending) dueMs = Math.min(dueMs, session.version + PUBLISH_INTERVAL_MS);
  }
  for (const { forgetAtMs } of state.ended) dueMs = Math.min(dueMs, forgetAtMs);
  for (const { forgetAtMs } of state.tombstones) dueMs = Math.min(dueMs, forgetAtMs);
  return Number.isFinite(dueMs) ? dueMs : null;
}

/**
 * The state with its alarm set. An alarm that would ring early stays as it is: moving it with every heartbeat
 * would rewrite the timer each time, and an early ring only finds nothing to do.
 */
export function withAlarm(state: UserState, setting: Setting): UserState {
  const dueMs = dueAtMs(state, setting);
  const { wakeAtMs } = state;
  const keep = wakeAtMs !== null && dueMs !== null && wakeAtMs > setting.nowMs && wakeAtMs <= dueMs;
  return keep || wakeAtMs === dueMs ? state : { ...state, wakeAtMs: dueMs };
}
