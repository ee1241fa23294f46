import { type Epoch, epochCovers, epochKey, epochKeysOf } from "@vigie/core/epochs";
import { type SessionName, sessionKey } from "@vigie/core/keys";
import { type Clock, MINUTE_MS } from "@vigie/core/time";
import type { SessionCommandResult, SessionEpoch, SessionRevoked } from "@vigie/schemas/types";
import { DeniedSessions } from "./denied-sessions.ts";
import type { DeniableSession, Denial } from "./view.ts";

/** What is read of a revocation; the rest of the record is skipped. */
export const REVOKED_FIELDS = [
  "tenant_id",
  "user_id",
  "session_id",
  "revoked_at",
  "session_expires_at",
] as const;
export type RevokedRecord = Pick<SessionRevoked, (typeof REVOKED_FIELDS)[number]>;

/** By then id.session.revoked has told for how long, or its follower lags and nobody is sure of any session. */
const RESULT_KEPT_MS = MINUTE_MS;

/** What revocations and epochs say, in memory: asked synchronously, and it beats every store. */
export class DenialBook {
  readonly #clock: Clock;
  readonly #revoked: DeniedSessions;
  /** The greatest of each scope and value; a few a tenant. */
  readonly #epochs = new Map<string, Epoch>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#revoked = new DeniedSessions(clock);
  }

  get revocations(): number {
    return this.#revoked.size;
  }

  takeRevocation(record: RevokedRecord): void {
    this.#revoked.add(sessionKey(record.tenant_id, record.user_id, record.session_id), {
      deniedAtMs: record.revoked_at,
      expiresAtMs: record.session_expires_at,
    });
  }

  /** Committed with the revocations that it tells of, but read apart from them: whichever comes first counts. */
  takeResult({ tenant_id, user_id, revoked_session_ids, decided_at }: SessionCommandResult): void {
    const expiresAtMs = this.#clock() + RESULT_KEPT_MS;
    for (const id of revoked_session_ids) {
      const name = sessionKey(tenant_id, user_id, id);
      this.#revoked.add(name, { deniedAtMs: decided_at, expiresAtMs });
    }
  }

  takeEpoch({ epoch_id: id, tenant_id: tenantId, scope, value, not_before }: SessionEpoch): void {
    if (scope === "UNKNOWN") return;
    const epoch: Epoch = { id, tenantId, scope, value, notBeforeMs: not_before };
    const key = epochKey(epoch);
    // The greatest wins, never back.
    if ((this.#epochs.get(key)?.notBeforeMs ?? Number.NEGATIVE_INFINITY) >= not_before) return;
    this.#epochs.set(key, epoch);
  }

  /** Needs no more than the session's name. */
  revocationOf({ key }: Pick<SessionName, "key">): Denial | null {
    const deniedAtMs = this.#revoked.deniedAtMs(key);
    return deniedAtMs === null ? null : { by: "revocation", deniedAtMs };
  }

  denialOf(session: DeniableSession): Denial | null {
    const { tenantId, userId, sessionId } = session;
    const key = sessionKey(tenantId, userId, sessionId);
    return this.revocationOf({ key }) ?? this.epochOver(session);
  }

  /** Of a session that no revocation names. */
  epochOver(session: DeniableSession): Denial | null {
    if (this.#epochs.size === 0) return null;
    for (const key of epochKeysOf(session)) {
      const epoch = this.#epochs.get(key);
      if (epoch !== undefined && epochCovers(epoch, session)) {
        return { by: "epoch", deniedAtMs: epoch.notBeforeMs };
      }
    }
    return null;
  }
}
