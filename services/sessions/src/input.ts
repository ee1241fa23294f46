import type { SessionContext } from "./state.ts";

/** What every input has. Times in ms; the producer's clock is never believed to be ahead of the broker's. */
interface Input {
  /** min(event time, record time). */
  readonly atMs: number;
  /** Hash of the event id, or null where repetition does no harm (heartbeats). */
  readonly eventHash: bigint | null;
}

export interface LoginSucceeded extends Input {
  readonly kind: "login_succeeded";
  readonly sessionId: string;
  readonly absoluteCapMs: number | null;
  readonly context: SessionContext;
}

export interface LoggedOut extends Input {
  readonly kind: "logged_out";
  readonly sessionId: string;
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
  readonly context: SessionContext;
}

/** What happened to a user's sessions, free of wire formats. */
export type SessionInput = LoginSucceeded | LoggedOut | HeartbeatSeen | ActivitySeen;
