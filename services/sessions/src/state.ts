import { HOUR_MS } from "@vigie/core/time";
import type { ActorRef, Channel, SessionStatus, UserType } from "@vigie/schemas/types";

/** What the task knows of one user's sessions. All of it is immutable: evolve() makes the next one. */

export type EndStatus = Exclude<SessionStatus, "UNKNOWN" | "ACTIVE">;

/** What revoked a session and on whose behalf, as far as others are told: no network data. */
export interface Revocation {
  /** user_request, security_logout, admin, password_change, policy:<rule>, session_limit, epoch, ... */
  readonly reason: string;
  readonly actor: ActorRef;
  readonly commandId: string | null;
  readonly anomalyId: string | null;
  readonly epochId: string | null;
}

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
  /** Step-ups that were asked for up to then are done with, by a later second factor or by SIRA's word. 0: none. */
  readonly vouchedUntilMs: number;
  /** A second factor is asked for since then, or null. */
  readonly stepUpRequiredAtMs: number | null;
  /** The highest of its live anomalies, 0..100. */
  readonly riskScore: number;
  /** Something was seen that is not published yet. */
  readonly pending: boolean;
}

/** An ended session is remembered, so that no late event brings it back. */
export interface EndedSession {
  readonly id: string;
  /** Of its last record: at least the time of that. */
  readonly version: number;
  /** From then on no event of it can be admitted any more. */
  readonly forgetAtMs: number;
  /** Its record is off the topic, since it was kept for as long as the policy says. */
  readonly isCleared: boolean;
  readonly channel: Channel;
  /** Of its device id, or null: enough to count what a command would have meant. */
  readonly deviceHash: bigint | null;
  /** When it was revoked; null: it ended by itself. */
  readonly revokedAtMs: number | null;
  /** When somebody was last told that it is used after its revocation. */
  readonly misuseToldAtMs: number | null;
}

/** A logout or a revocation that came before anything else of its session. */
export interface Tombstone {
  readonly id: string;
  /** When the session was ended. */
  readonly atMs: number;
  /** Record time of what ended it. */
  readonly recordedAtMs: number;
  readonly forgetAtMs: number;
  /** null: it was a logout. */
  readonly revocation: Revocation | null;
}

export type BarrierScope = "user" | "device" | "channel";

/** Sessions of the scope that began at or before `atMs` are revoked, whenever they appear. One a scope and value. */
export interface Barrier {
  readonly scope: BarrierScope;
  /** Device id or channel; empty for the user. */
  readonly value: string;
  readonly atMs: number;
  /** The session that is kept, or null ... */
  readonly sparedId: string | null;
  /** ... unless it began at or before this, by an earlier barrier that did not spare it. 0: none. */
  readonly sparedAtMs: number;
  /** Record time of its newest cause. */
  readonly recordedAtMs: number;
  readonly revocation: Revocation;
}

/** A command that was carried out: the same again does nothing. */
export interface DoneCommand {
  readonly id: string;
  /** Record time. */
  readonly atMs: number;
}

/** What an anomaly, or SIRA, holds against a session. */
export interface Suspicion {
  /** Hash of the id of the anomaly or decision. */
  readonly causeHash: bigint;
  /** null: every session of the user that had begun when the step-up was asked for. */
  readonly sessionId: string | null;
  /** 0..100; 0: withdrawn, or not known yet. */
  readonly riskScore: number;
  /** Event time since which it asks for a second factor, or null. */
  readonly stepUpAtMs: number | null;
  /** Record time. */
  readonly recordedAtMs: number;
}

export interface UserState {
  readonly live: readonly Session[];
  readonly ended: readonly EndedSession[];
  readonly tombstones: readonly Tombstone[];
  /** Sessions that began at or before this are refused: memory of some of them had to be given up. 0: none. */
  readonly notBeforeMs: number;
  readonly barriers: readonly Barrier[];
  /** Oldest first. */
  readonly commands: readonly DoneCommand[];
  /** Of live sessions and of those that may yet appear; oldest first. */
  readonly suspicions: readonly Suspicion[];
  /** When somebody was last told of too many sessions at once; 0: not, or it is over. */
  readonly excessToldAtMs: number;
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
/** The user's own, one a channel, and more devices than anybody revokes within the life of a session. */
export const BARRIERS_PER_USER_MAX = 32;
/** Source: design, "results kept 24 h, 64 a user". */
export const COMMANDS_PER_USER_MAX = 64;
export const COMMAND_KEPT_MS = 24 * HOUR_MS;
/** More than rules find of one user while a session lives; the newest are kept. */
export const SUSPICIONS_PER_USER_MAX = 64;
/** A session that an anomaly names appears within this: its login is a merged input, the anomaly an urgent one. */
export const SUSPICION_KEPT_MS = 24 * HOUR_MS;
/** Source: design, "the newest 128 of this user". */
export const RECENT_EVENTS_MAX = 128;

export const emptyState: UserState = {
  live: [],
  ended: [],
  tombstones: [],
  notBeforeMs: 0,
  barriers: [],
  commands: [],
  suspicions: [],
  excessToldAtMs: 0,
  recentEvents: [],
  wakeAtMs: null,
};

export function isEmpty(state: UserState): boolean {
  return (
    state.live.length === 0 &&
    state.ended.length === 0 &&
    state.tombstones.length === 0 &&
    state.notBeforeMs === 0 &&
    state.barriers.length === 0 &&
    state.commands.length === 0 &&
    state.suspicions.length === 0
  );
}
