import { TICK_INTERVAL_MS } from "@vigie/core/outages";
import { deadlinesOf } from "@vigie/core/session-deadlines";
import { MINUTE_MS } from "@vigie/core/time";
import { settle } from "./decide/decide.ts";
import { isAgainst } from "./decide/suspicions.ts";
import { endRunOut, PUBLISH_INTERVAL_MS } from "./decide/time.ts";
import { clearAtMs, Draft, outlivedAtMs, type Setting } from "./draft.ts";
import type { Change } from "./evolve.ts";
import {
  COMMAND_KEPT_MS,
  type Session,
  SUSPICION_KEPT_MS,
  type Suspicion,
  type UserState,
} from "./state.ts";

const NEVER = Number.POSITIVE_INFINITY;

/** What time alone brings about by `setting.nowMs`: sessions run out, last sightings are published, the ended are forgotten. */
export function decideWake(state: UserState, setting: Setting): readonly Change[] {
  const { nowMs } = setting;
  const draft = new Draft(state, setting);
  endRunOut(draft);
  for (const session of draft.state.live) {
    const isDue = session.pending && nowMs - session.version >= PUBLISH_INTERVAL_MS;
    if (isDue || hasMoved(session, setting)) draft.update(session, false);
  }
  for (const ended of draft.state.ended) {
    const isClear = ended.isCleared || clearAtMs(ended, setting) <= nowMs;
    if (!isClear) continue;
    if (ended.forgetAtMs <= nowMs) draft.forget(ended, null);
    else if (!ended.isCleared) draft.clear(ended);
  }
  for (const tombstone of draft.state.tombstones) {
    if (tombstone.forgetAtMs <= nowMs) draft.unearth(tombstone, null);
  }
  for (const barrier of draft.state.barriers) {
    if (outlivedAtMs(barrier.atMs, setting) <= nowMs) draft.unbar(barrier, null);
  }
  const { notBeforeMs, commands } = draft.state;
  if (notBeforeMs > 0 && outlivedAtMs(notBeforeMs, setting) <= nowMs) {
    draft.apply({ type: "not_before_lifted" });
  }
  const untilMs = nowMs - COMMAND_KEPT_MS;
  if (commands.some(({ atMs }) => atMs <= untilMs)) {
    draft.apply({ type: "commands_forgotten", untilMs });
  }
  const { suspicions } = draft.state;
  const current = suspicions.filter((one) => dropAtMs(one, draft.state) > nowMs);
  if (current.length < suspicions.length) {
    draft.apply({ type: "suspected", suspicions: current });
  }
  settle(draft, null);
  return draft.changes;
}

/** A suspicion lasts as long as the session that it is held against, or until none can be expected any more. */
const dropAtMs = (suspicion: Suspicion, { live }: UserState): number =>
  live.some((session) => isAgainst(suspicion, session))
    ? NEVER
    : suspicion.recordedAtMs + SUSPICION_KEPT_MS;

/** An outage that ended after a session's last record has moved the idle end that the record tells. */
const hasMoved = ({ version }: Session, { heardUntilMs, outages }: Setting): boolean =>
  outages.some(({ untilMs }) => untilMs > version && untilMs <= heardUntilMs);

/** While no edge is heard of, ends are looked for again after as long a time as it has been away, within these. */
const LOOK_AGAIN_MIN_MS = TICK_INTERVAL_MS;
const LOOK_AGAIN_MAX_MS = 5 * MINUTE_MS;

/** No session ends by itself before this: by then an edge may have told that it was there. */
function noEndBeforeMs({ heardUntilMs, nowMs }: Setting): number {
  const unheardMs = nowMs - heardUntilMs;
  if (unheardMs === 0) return 0;
  return nowMs + Math.min(Math.max(unheardMs, LOOK_AGAIN_MIN_MS), LOOK_AGAIN_MAX_MS);
}

/** The earliest time at which decideWake would find something to do; null: never. */
function dueAtMs(state: UserState, setting: Setting): number | null {
  const noEndMs = noEndBeforeMs(setting);
  let dueMs = state.notBeforeMs > 0 ? outlivedAtMs(state.notBeforeMs, setting) : NEVER;
  for (const session of state.live) {
    const { idleExpiresAtMs } = deadlinesOf(session, setting.policy.document, setting.outages);
    dueMs = Math.min(dueMs, Math.max(idleExpiresAtMs, noEndMs));
    if (session.pending) dueMs = Math.min(dueMs, session.version + PUBLISH_INTERVAL_MS);
  }
  for (const ended of state.ended) {
    dueMs = Math.min(dueMs, ended.isCleared ? ended.forgetAtMs : clearAtMs(ended, setting));
  }
  for (const { forgetAtMs } of state.tombstones) dueMs = Math.min(dueMs, forgetAtMs);
  for (const { atMs } of state.barriers) dueMs = Math.min(dueMs, outlivedAtMs(atMs, setting));
  for (const { atMs } of state.commands) dueMs = Math.min(dueMs, atMs + COMMAND_KEPT_MS);
  for (const suspicion of state.suspicions) dueMs = Math.min(dueMs, dropAtMs(suspicion, state));
  return dueMs === NEVER ? null : dueMs;
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
