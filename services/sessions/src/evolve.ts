import { assert, assertNever } from "@vigie/core/assert";
import type { Actor } from "@vigie/schemas/types";
import { eventHash } from "./event-hash.ts";
import type { Finding } from "./finding.ts";
import type { Scope } from "./input.ts";
import {
  BARRIERS_PER_USER_MAX,
  type Barrier,
  COMMANDS_PER_USER_MAX,
  ENDED_PER_USER_MAX,
  type EndedSession,
  type EndStatus,
  emptyState,
  isEmpty,
  LIVE_PER_USER_MAX,
  RECENT_EVENTS_MAX,
  type Revocation,
  type Session,
  SUSPICIONS_PER_USER_MAX,
  type Suspicion,
  TOMBSTONES_PER_USER_MAX,
  type Tombstone,
  type UserState,
} from "./state.ts";

/** What has been decided of a user's sessions. State and everything published follow from it. */
export type Change =
  | { readonly type: "began"; readonly session: Session }
  /** New values of a live session. `session.pending` tells that they wait to be published. */
  | { readonly type: "updated"; readonly session: Session }
  | Ended
  /** The record of an ended session is removed; it is remembered for longer. */
  | { readonly type: "cleared"; readonly sessionId: string }
  /** With notBeforeMs: before its time, for want of room. */
  | { readonly type: "forgotten"; readonly sessionId: string; readonly notBeforeMs: number | null }
  | { readonly type: "entombed"; readonly tombstone: Tombstone }
  | { readonly type: "unearthed"; readonly sessionId: string; readonly notBeforeMs: number | null }
  /** Takes the place of a barrier of the same scope and value. */
  | { readonly type: "barred"; readonly barrier: Barrier }
  | { readonly type: "unbarred"; readonly barrier: Barrier; readonly notBeforeMs: number | null }
  | Done
  | { readonly type: "commands_forgotten"; readonly untilMs: number }
  | { readonly type: "found"; readonly finding: Finding; readonly atMs: number }
  | { readonly type: "excess_over" }
  /** All that is held against sessions from now on. */
  | { readonly type: "suspected"; readonly suspicions: readonly Suspicion[] }
  /** An anomaly was not let revoke its session: too many were revoked lately. */
  | {
      readonly type: "held";
      readonly rule: string;
      readonly anomalyId: string;
      readonly atMs: number;
    }
  | { readonly type: "remembered"; readonly eventHash: bigint }
  | { readonly type: "not_before_lifted" }
  /** What was remembered from up to then is forgotten. */
  | { readonly type: "erased"; readonly erasureId: string; readonly atMs: number };

export interface Ended {
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

/** A command was carried out. */
export interface Done {
  readonly type: "done";
  readonly batchId: string | null;
  readonly scope: Scope;
  readonly keptSessionId: string | null;
  readonly requestedAtMs: number;
  readonly actor: Actor;
  /** With the command's id: that of the sessions that it revoked. */
  readonly revocation: Revocation & { readonly commandId: string };
  readonly revokedIds: readonly string[];
  readonly alreadyEnded: number;
  /** Record time of the command. */
  readonly atMs: number;
}

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
    case "ended":
      return withEnded(state, change);
    case "cleared":
      return withEntry(state, change.sessionId, { isCleared: true });
    case "forgotten":
      return {
        ...notBefore(state, change.notBeforeMs),
        ended: without(state.ended, change.sessionId),
      };
    case "entombed":
      assert(state.tombstones.length < TOMBSTONES_PER_USER_MAX, "room was made for a tombstone");
      return { ...state, tombstones: [...state.tombstones, change.tombstone] };
    case "unearthed":
      return {
        ...notBefore(state, change.notBeforeMs),
        tombstones: without(state.tombstones, change.sessionId),
      };
    case "barred": {
      const others = state.barriers.filter((other) => !sameScope(other, change.barrier));
      assert(others.length < BARRIERS_PER_USER_MAX, "room was made for a barrier");
      return { ...state, barriers: [...others, change.barrier] };
    }
    case "unbarred":
      return {
        ...notBefore(state, change.notBeforeMs),
        barriers: state.barriers.filter((other) => !sameScope(other, change.barrier)),
      };
    case "done": {
      const command = { id: change.revocation.commandId, atMs: change.atMs };
      return { ...state, commands: [...state.commands, command].slice(-COMMANDS_PER_USER_MAX) };
    }
    case "commands_forgotten":
      return { ...state, commands: state.commands.filter(({ atMs }) => atMs > change.untilMs) };
    case "found":
      return withTold(state, change.finding, change.atMs);
    case "excess_over":
      return { ...state, excessToldAtMs: 0 };
    case "suspected":
      assert(
        change.suspicions.length <= SUSPICIONS_PER_USER_MAX,
        "suspicions are within their limit",
      );
      return { ...state, suspicions: change.suspicions };
    case "held":
      return state;
    case "remembered":
      return {
        ...state,
        recentEvents: [...state.recentEvents, change.eventHash].slice(-RECENT_EVENTS_MAX),
      };
    case "not_before_lifted":
      return { ...state, notBeforeMs: 0 };
    case "erased":
      return withoutErased(state, change.atMs);
    default:
      return assertNever(change);
  }
}

/** What is left of a state; who was erased is remembered beside it, see erasures.ts of the service kit. */
function withoutErased(state: UserState, untilMs: number): UserState {
  const { live, wakeAtMs } = state;
  const left = {
    ...emptyState,
    live,
    wakeAtMs,
    tombstones: state.tombstones.filter(({ atMs }) => atMs > untilMs),
    barriers: state.barriers.filter(({ atMs }) => atMs > untilMs),
    commands: state.commands.filter(({ atMs }) => atMs > untilMs),
    suspicions: state.suspicions.filter(({ recordedAtMs }) => recordedAtMs > untilMs),
  };
  const isNothing = isEmpty(left);
  return isNothing ? emptyState : { ...left, notBeforeMs: Math.max(state.notBeforeMs, untilMs) };
}

const notBefore = (state: UserState, ms: number | null): UserState =>
  ms === null ? state : { ...state, notBeforeMs: Math.max(state.notBeforeMs, ms) };

export const sameScope = (one: Barrier, other: Barrier): boolean =>
  one.scope === other.scope && one.value === other.value;

function replaced(live: readonly Session[], session: Session): readonly Session[] {
  const at = live.findIndex((entry) => entry.id === session.id);
  assert(at >= 0, "only a live session is updated");
  return live.with(at, session);
}

function withEnded(state: UserState, { session, revocation, atMs, forgetAtMs }: Ended): UserState {
  assert(state.ended.length < ENDED_PER_USER_MAX, "room was made for a session that ends");
  const ended = {
    id: session.id,
    version: session.version,
    forgetAtMs,
    isCleared: false,
    channel: session.channel,
    deviceHash: session.deviceId === null ? null : eventHash(session.deviceId),
    revokedAtMs: revocation === null ? null : atMs,
    misuseToldAtMs: null,
  };
  return {
    ...state,
    live: without(state.live, session.id),
    ended: [...state.ended, ended],
    suspicions: state.suspicions.filter(({ sessionId }) => sessionId !== session.id),
  };
}

function withTold(state: UserState, { kind, sessionId }: Finding, atMs: number): UserState {
  if (kind === "concurrent_sessions") return { ...state, excessToldAtMs: atMs };
  return withEntry(state, sessionId, { misuseToldAtMs: atMs });
}

const withEntry = (state: UserState, id: string, over: Partial<EndedSession>): UserState => ({
  ...state,
  ended: state.ended.map((entry) => (entry.id === id ? { ...entry, ...over } : entry)),
});

/** Whether anything is remembered of this session, alive or not. */
export function knows(state: UserState, sessionId: string): boolean {
  const same = (entry: { readonly id: string }): boolean => entry.id === sessionId;
  return state.live.some(same) || state.ended.some(same);
}
