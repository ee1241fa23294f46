import { assert, assertNever } from "@vigie/core/assert";
import { eventHash } from "./event-hash.ts";
import {
  ENDED_PER_USER_MAX,
  type EndStatus,
  LIVE_PER_USER_MAX,
  RECENT_EVENTS_MAX,
  type Revocation,
  type Session,
  TOMBSTONES_PER_USER_MAX,
  type Tombstone,
  type UserState,
} from "./state.ts";

/** What has been decided of a user's sessions. */
export type Change =
  | { readonly type: "began"; readonly session: Session }
  /** New values of a live session. `session.pending` tells that they wait to be published. */
  | { readonly type: "updated"; readonly session: Session }
  | {
      readonly type: "ended";
      /** As it was last, with the version of its last record. */
      readonly session: Session;
      readonly status: EndStatus;
      /** idle_timeout, absolute_timeout, logout, or that of the revocation. */
      readonly reason: string;
      readonly atMs: number;
      /** Of a session that is REVOKED, else null. */
      readonly revocation: Revocation | null;
      readonly forgetAtMs: number;
    }
  /** The record of an ended session is removed; with notBeforeMs: before its time, for want of room. */
  | { readonly type: "forgotten"; readonly sessionId: string; readonly notBeforeMs: number | null }
  | { readonly type: "entombed"; readonly tombstone: Tombstone }
  | { readonly type: "unearthed"; readonly sessionId: string; readonly notBeforeMs: number | null }
  | { readonly type: "remembered"; readonly eventHash: bigint }
  | { readonly type: "barrier_lifted" };

const without = <T extends { readonly id: string }>(list: readonly T[], id: string): readonly T[] =>
  list.filter((entry) => entry.id !== id);

/** The state after a change. Total: whatever decide() may decide, this can follow. */
export function evolve(state: UserState, change: Change): UserState {
  switch (change.type) {
    case "began":
      assert(!knows(state, change.session.id), "only an unknown session begins");
      assert(state.live.length < LIVE_PER_USER_MAX, "room was made for a session that begins");
      return { ...state, live: [...state.live, change.session] };
    case "updated":
      return { ...state, live: replaced(state.live, change.session) };
    case "ended": {
      assert(state.ended.length < ENDED_PER_USER_MAX, "room was made for a session that ends");
      const { session, forgetAtMs, revocation } = change;
      const ended = {
        id: session.id,
        version: session.version,
        forgetAtMs,
        channel: session.channel,
        deviceHash: session.deviceId === null ? null : eventHash(session.deviceId),
        revokedAtMs: revocation === null ? null : change.atMs,
        misuseToldAtMs: null,
      };
      return {
        ...state,
        live: without(state.live, session.id),
        ended: [...state.ended, ended],
      };
    }
    case "forgotten":
      return {
        ...state,
        ended: without(state.ended, change.sessionId),
        notBeforeMs: Math.max(state.notBeforeMs, change.notBeforeMs ?? 0),
      };
    case "entombed":
      assert(state.tombstones.length < TOMBSTONES_PER_USER_MAX, "room was made for a tombstone");
      return { ...state, tombstones: [...state.tombstones, change.tombstone] };
    case "unearthed":
      return {
        ...state,
        tombstones: without(state.tombstones, change.sessionId),
        notBeforeMs: Math.max(state.notBeforeMs, change.notBeforeMs ?? 0),
      };
    case "remembered":
      return {
        ...state,
        recentEvents: [...state.recentEvents, change.eventHash].slice(-RECENT_EVENTS_MAX),
      };
    case "barrier_lifted":
      return { ...state, notBeforeMs: 0 };
    default:
      return assertNever(change);
  }
}

function replaced(live: readonly Session[], session: Session): readonly Session[] {
  const at = live.findIndex((entry) => entry.id === session.id);
  assert(at >= 0, "only a live session is updated");
  return live.with(at, session);
}

/** Whether anything is remembered of this session, alive or not. */
export function knows(state: UserState, sessionId: string): boolean {
  const same = (entry: { readonly id: string }): boolean => entry.id === sessionId;
  return state.live.some(same) || state.ended.some(same);
}
