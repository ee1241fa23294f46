import { type RowOf, unnest } from "@vigie/service-kit/postgres/unnest";

/** The columns that the sink writes, as its migrations define them. */

/** A row of a person. */
export const owned = { id: "uuid", tenant_id: "uuid", user_id: "uuid" } as const;
/** The person and the session as events name them. */
export const named = { user_key: "text", session_key: "text" } as const;

export const tenantColumns = unnest({ id: "uuid", slug: "text", name: "text" });
export type TenantRow = RowOf<typeof tenantColumns>;

export const userColumns = unnest({ id: "uuid", tenant_id: "uuid", external_id: "text" });
export type UserRow = RowOf<typeof userColumns>;

export const deviceColumns = unnest({ ...owned, external_id: "text" });
export type DeviceRow = RowOf<typeof deviceColumns>;

export const sessionColumns = unnest({
  ...owned,
  ...named,
  device_id: "uuid",
  authentik_session_id: "text",
  ip_address_hash: "text",
  user_agent: "text",
  client_info: "jsonb",
  session_type: "text",
  login_method: "text",
  session_data: "jsonb",
  created_at: "timestamp",
  last_activity: "timestamp",
  expires_at: "timestamp",
  is_active: "boolean",
  terminated_at: "timestamp",
  termination_reason: "text",
  tenant_key: "text",
  device_key: "text",
  version: "bigint",
  status: "text",
  ip_prefix: "text",
  ip_hash_key_id: "text",
  country: "text",
  city: "text",
  user_type: "text",
  org_id: "text",
  idle_expires_at: "timestamp",
  absolute_expires_at: "timestamp",
  step_up_required_at: "timestamp",
  risk_score: "integer",
  policy_version: "bigint",
});
export type SessionRow = RowOf<typeof sessionColumns>;

/** A session and whose it is. */
export const ownedColumns = unnest({ ...owned, session_key: "text" });
export type OwnedRow = RowOf<typeof ownedColumns>;

/** A session that an event names before its state has come. */
export const stubColumns = unnest({
  ...owned,
  ...named,
  tenant_key: "text",
  status: "text",
  created_at: "timestamp",
});
export type StubRow = RowOf<typeof stubColumns>;

export const activityColumns = unnest({
  ...owned,
  session_id: "uuid",
  activity_type: "text",
  activity_category: "text",
  timestamp: "timestamp",
  details: "jsonb",
  success: "boolean",
  event_id: "text",
  arrived_at: "timestamp",
});
export type ActivityRow = RowOf<typeof activityColumns>;

export const anomalyColumns = unnest({
  ...owned,
  ...named,
  session_id: "uuid",
  anomaly_id: "text",
  kind: "text",
  severity: "text",
  risk_score: "integer",
  action: "text",
  mode: "text",
  occurred_at: "timestamp",
  detected_at: "timestamp",
  rule_version: "text",
  policy_version: "bigint",
  cause_event_ids: "jsonb",
  evidence: "jsonb",
  explanation: "text",
});
export type AnomalyRow = RowOf<typeof anomalyColumns>;

/** `id` is the anomaly's, and that of its security event. */
export const retractionColumns = unnest({
  ...owned,
  retracted_by: "text",
  retracted_at: "timestamp",
});
export type RetractionRow = RowOf<typeof retractionColumns>;

export const revocationColumns = unnest({
  ...owned,
  ...named,
  session_id: "uuid",
  device_key: "text",
  channel: "text",
  revocation_id: "text",
  revoked_at: "timestamp",
  reason: "text",
  actor_type: "text",
  actor_id: "text",
  command_id: "text",
  anomaly_id: "text",
  epoch_id: "text",
});
export type RevocationRow = RowOf<typeof revocationColumns>;
