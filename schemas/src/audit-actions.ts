/** Audited actions that one service writes and another looks for. */

/** An anomaly was not let revoke its session: too many of the tenant's were revoked lately. */
export const REVOCATIONS_HELD = "policy.revocations_held";
/** A token asked for what it does not allow. */
export const ACCESS_DENIED = "access.denied";
