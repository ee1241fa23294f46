import { assert } from "@vigie/core/assert";
import { deadlinesOf } from "@vigie/core/session-deadlines";
import type { SessionCommandResult, SessionRevoked } from "@vigie/schemas/types";
import { nameUuid } from "@vigie/service-kit/ids";
import type { Done, Ended } from "../evolve.ts";
import type { Owner } from "./owner.ts";
import type { StateSetting } from "./states.ts";

/** One session for whoever honours it. */
export function revokedOf(
  { session, revocation, atMs }: Ended,
  { tenantId, userId, policy, outages }: StateSetting,
): SessionRevoked {
  assert(revocation !== null, "a revoked session has its revocation");
  // A session is revoked once in its life; an id that is used again after 60 days begins at another time.
  const life = `${userId}|${session.id}|${session.createdAtMs}`;
  return {
    revocation_id: nameUuid(tenantId, "revocation", life),
    tenant_id: tenantId,
    user_id: userId,
    session_id: session.id,
    device_id: session.deviceId,
    channel: session.channel,
    revoked_at: atMs,
    session_expires_at: deadlinesOf(session, policy, outages).absoluteExpiresAtMs,
    command_id: revocation.commandId,
    anomaly_id: revocation.anomalyId,
    epoch_id: revocation.epochId,
    reason: revocation.reason,
    actor: revocation.actor,
  };
}

export const resultOf = (done: Done, { tenantId, userId }: Owner): SessionCommandResult => ({
  command_id: done.revocation.commandId,
  batch_id: done.batchId,
  tenant_id: tenantId,
  user_id: userId,
  revoked_session_ids: done.revokedIds,
  already_ended: done.alreadyEnded,
  decided_at: done.atMs,
});
