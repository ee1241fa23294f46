import type { Channel, SessionStatus, UserType } from "@vigie/schemas/types";

/** What the task knows of one user's sessions. All of it is immutable: evolve() makes the next one. */

export type EndStatus = Exclude<SessionStatus, "UNKNOWN" | "ACTIVE">;
export type EndReason = "idle_timeout" | "absolute_timeout" | "logout" | "session_limit";

/** Who holds a session and from where. Addresses only as prefix and keyed hash (PRV-03). */
export interface SessionContext {
  readonly userType: UserType;
  readonly orgId: string | null;
  readonly roles: readonly string[];
  readonly channel: Channel;
  readonly deviceId: string | null;
  readonly userAgent: string | null;
  readonly loginMethod: string | null;
  readonly ipPrefix: string | null;
  readonly ipHash: string | null;
  readonly ipHashKeyId: string | null;
  readonly country: string | null;
  readonly city: string | null;
  readonly upstreamSessionRef: string | null;
}

/** A live session. Deadlines are not stored: they follow from these times and the policy. */
export interface Session extends SessionContext {
  readonly id: string;
  /** Of the last published record: its time in ms, or one more than the version before. */
  readonly version: number;
  readonly createdAtMs: number;
  /** false: adopted from a heartbeat that does not say when the session began. */
  readonly startKnown: boolean;
  readonly adopted: boolean;
  readonly lastSeenMs: number;
  /** Hard end set by the issuer, or null. */
  readonly absoluteCapMs: number | null;
  readonly policyVersion: number;
  /** Something was seen that is not published yet. */
  readonly pending: boolean;
}

/** An ended session is remembered, so that no late event brings it back. */
export interface EndedSession {
  readonly id: string;
  readonly version: number;
  /** From then on no event of it can be admitted any more, and its record is removed. */
  readonly forgetAtMs: number;
}

/** A logout that came before anything else of its session. */
export interface Tombstone {
  readonly id: string;
  /** When the session was logged out. */
  readonly atMs: number;
  /** Record time of the logout. */
  readonly recordedAtMs: number;
  readonly forgetAtMs: number;
}

export interface UserState {
  readonly live: readonly Session[];
  readonly ended: readonly EndedSession[];
  readonly tombstones: readonly Tombstone[];
  /** Sessions that began at or before this are refused: memory of some of them had to be given up. 0: none. */
  readonly notBeforeMs: number;
  /** Hashes of the newest event ids, oldest first. */
  readonly recentEvents: readonly bigint[];
  /** When the runtime wakes this user; may be early, never late. null: not needed. */
  readonly wakeAtMs: number | null;
}

/** Several times what a person with phones, browsers and API clients holds at once; bounds one state to ~100 KB. */
export const LIVE_PER_USER_MAX = 128;
/** Two months of four sessions a day. */
export const ENDED_PER_USER_MAX = 256;
/** Source: design, "64 per user". */
export const TOMBSTONES_PER_USER_MAX = 64;
/** Source: design, "the newest 128 of this user". */
export const RECENT_EVENTS_MAX = 128;

export const emptyState: UserState = {
  live: [],
  ended: [],
  tombstones: [],
  notBeforeMs: 0,
  recentEvents: [],
  wakeAtMs: null,
};

export function isEmpty(state: UserState): boolean {
  return (
    state.live.length === 0 &&
    state.ended.length === 0 &&
    state.tombstones.length === 0 &&
    state.notBeforeMs === 0
  );
}
