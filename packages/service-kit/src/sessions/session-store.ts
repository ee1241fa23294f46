import type { SessionName } from "@vigie/core/keys";
import type { SessionStatus } from "@vigie/schemas/types";
import type { SessionFacts } from "./view.ts";

/** A session's latest state as a store holds it, before policies, revocations and epochs have had their say. */
export type StoredSession = Omit<SessionFacts, "idleExpiresAtMs">;

export type Found =
  | { readonly kind: "active"; readonly session: StoredSession }
  | { readonly kind: "ended"; readonly status: EndStatus }
  | { readonly kind: "none" };

export type EndStatus = Exclude<SessionStatus, "UNKNOWN" | "ACTIVE">;

export interface StoreAnswer {
  readonly found: Found;
  /**
   * Partition of id.session.state in which the user lies, and up to where the store has applied it; 0: nothing;
   * GONE_BACK: less than it told of before.
   */
  readonly partition: number;
  readonly appliedOffset: number;
}

/** A session as events name it, and whose it is. */
export interface OwnedSession {
  readonly userId: string;
  readonly sessionId: string;
}

/** A store that a sink fills from id.session.state. Throws when it is away: VIG_REDIS_AWAY, VIG_DATABASE_AWAY. */
export interface SessionStore {
  /** How far behind it may be and still vouch for a life. */
  readonly lagMaxMs: number;
  find(name: SessionName): Promise<StoreAnswer>;
}

/** Words of the contract for an end; a word that this version does not know is an end all the same. */
const ENDS: ReadonlySet<string> = new Set(["IDLE_EXPIRED", "EXPIRED", "REVOKED", "LOGGED_OUT"]);

export const endStatusOf = (status: string): EndStatus =>
  ENDS.has(status) ? (status as EndStatus) : "EXPIRED";
