/** What of a revocation says what did it. */
export interface Caused {
  readonly epoch_id: string | null;
  readonly anomaly_id: string | null;
  readonly actor_type: string;
  readonly actor_id: string;
}

/** Parts of the policy and of the platform that revoke by themselves. Source: revocations of the sessions service. */
const PARTS = new Set(["session_limit", "password_change", "erasure", "sira"]);

/** OBS-03: what revoked a session, from a closed list: it is a label of a metric. */
export function causeOf({ epoch_id, anomaly_id, actor_type, actor_id }: Caused): string {
  if (epoch_id !== null) return "epoch";
  const isPerson = actor_type === "USER" || actor_type === "ADMIN";
  if (!isPerson && PARTS.has(actor_id)) return actor_id;
  return anomaly_id === null ? actor_type.toLowerCase() : "anomaly";
}
