import type { SessionName } from "@vigie/core/keys";
import type { Channel, SessionStatus, UserType } from "@vigie/schemas/types";

/** A session as far as revocations and epochs ask for it. */
export interface DeniableSession {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string;
  readonly orgId: string | null;
  readonly roles: readonly string[];
  readonly channel: Channel;
  /** Null: not known, which counts as older than every epoch. */
  readonly startedAtMs: number | null;
}

/** A live session, its deadlines derived with the policy in force. */
export interface SessionFacts extends DeniableSession {
  readonly deviceId: string | null;
  readonly userType: UserType;
  readonly country: string | null;
  readonly city: string | null;
  readonly createdAtMs: number;
  readonly lastSeenMs: number;
  readonly idleExpiresAtMs: number;
  readonly absoluteExpiresAtMs: number;
  readonly stepUpRequiredAtMs: number | null;
  /** 0..100 */
  readonly riskScore: number;
}

export type SessionAnswer =
  | { readonly kind: "live"; readonly session: SessionFacts }
  | { readonly kind: "ended"; readonly status: SessionStatus }
  /** Nobody has heard of this session. */
  | { readonly kind: "unknown" };

/** Why a session is to be refused whatever any store says of it. */
export interface Denial {
  readonly by: "revocation" | "epoch";
  readonly deniedAtMs: number;
}

/** Whether sessions live: from Redis, else from PostgreSQL, and never against a revocation or an epoch. */
export interface SessionView {
  /** Throws: VIG_SESSION_STATE_UNKNOWN when nobody can vouch for an answer. */
  resolve(name: SessionName): Promise<SessionAnswer>;
  /** SES-18: the same for whoever does not know whose session it is; one more question to PostgreSQL. */
  resolveById(tenantId: string, sessionId: string): Promise<SessionAnswer>;
  /**
   * Synchronous: what id.session.revoked and id.session.epoch say.
   * Throws: VIG_SESSION_STATE_UNKNOWN until they have been read.
   */
  denialOf(session: DeniableSession): Denial | null;
}
