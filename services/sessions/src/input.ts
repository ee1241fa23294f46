import type { Actor, Channel, RecommendedAction } from "@vigie/schemas/types";
import type { SessionContext } from "./state.ts";

/** What every input has. Times in ms; the producer's clock is never believed to be ahead of the broker's. */
interface Input {
  /** min(event time, record time). */
  readonly atMs: number;
  /** Id of the event or command, as evidence. */
  readonly eventId: string;
}

/** An event that would do harm if it came twice. */
interface Once extends Input {
  readonly eventHash: bigint;
}

export interface LoginSucceeded extends Once {
  readonly kind: "login_succeeded";
  readonly sessionId: string;
  readonly absoluteCapMs: number | null;
  readonly context: SessionContext;
}

export interface LoggedOut extends Once {
  readonly kind: "logged_out";
  readonly sessionId: string;
}

export interface PasswordChanged extends Once {
  readonly kind: "password_changed";
  /** The session that is kept, or null. */
  readonly keptSessionId: string | null;
}

export interface HeartbeatSeen extends Input {
  readonly kind: "heartbeat_seen";
  readonly sessionId: string;
  /** When the session began, if the producer knows. */
  readonly startedAtMs: number | null;
  readonly context: SessionContext;
}

/** A second factor or a location of a session: it shows that the session is in use, and adopts nothing. */
export interface ActivitySeen extends Input {
  readonly kind: "activity_seen";
  readonly sessionId: string;
  /** A second factor was shown: what was asked for before is done with. */
  readonly isSecondFactor: boolean;
  readonly context: SessionContext;
}

/** Which sessions of a user are meant. */
export type Scope =
  | { readonly kind: "session"; readonly sessionId: string }
  | { readonly kind: "user" }
  | { readonly kind: "device"; readonly deviceId: string }
  | { readonly kind: "channel"; readonly channel: Channel };

/** Somebody wants sessions revoked; `eventId` is the command's. */
export interface Commanded extends Input {
  readonly kind: "commanded";
  readonly batchId: string | null;
  readonly scope: Scope;
  /** A session other than one that is named by its id is meant if it began by then. */
  readonly beganByMs: number;
  /** A session to spare, or null. */
  readonly keptSessionId: string | null;
  readonly reason: string;
  readonly actor: Actor;
}

/** A rule found something; `eventId` is the anomaly's. */
export interface AnomalyFound extends Once {
  readonly kind: "anomaly_found";
  readonly sessionId: string | null;
  /** Its kind, as impossible_travel. */
  readonly rule: string;
  /** 0..100. */
  readonly riskScore: number;
  readonly action: RecommendedAction;
  /** Otherwise it may not be acted on. */
  readonly isEnforced: boolean;
  /** Hash of the anomaly that this one withdraws, or null. */
  readonly retracts: bigint | null;
}

/** SIRA's word on one session, or on all of the user; `eventId` is the decision's. */
export interface RiskDecided extends Once {
  readonly kind: "risk_decided";
  readonly sessionId: string | null;
  /** The anomaly that it answers, or null. */
  readonly anomalyId: string | null;
  readonly action: RecommendedAction;
  readonly reason: string;
}

/** Everything of the user up to then is to be forgotten; `eventId` is the erasure's. */
export interface ErasureRequested extends Input {
  readonly kind: "erasure_requested";
}

/** What happened to a user's sessions, free of wire formats. */
export type SessionInput =
  | LoginSucceeded
  | LoggedOut
  | PasswordChanged
  | HeartbeatSeen
  | ActivitySeen
  | AnomalyFound
  | RiskDecided
  | Commanded
  | ErasureRequested;
