import { type RowOf, unnest } from "@vigie/service-kit/postgres/unnest";

/** The columns that the sink writes, as its migrations define them. */

/** A row of a person. */
export const owned = { id: "uuid", tenant_id: "uuid", user_id: "uuid" } as const;
/** The person and the session as events name them. */
export const named = { user_key: "text", session_key: "text" } as const;

export const tenantColumns = unnest({ id: "uuid", slug: "text", name: "text" });
export type TenantRow = RowOf<{ id: "uuid"; slug: "text"; name: "text" }>;

const user = { id: "uuid", tenant_id: "uuid", external_id: "text" } as const;
export const userColumns = unnest(user);
export type UserRow = RowOf<typeof user>;

const device = { ...owned, external_id: "text" } as const;
export const deviceColumns = unnest(device);
export type DeviceRow = RowOf<typeof device>;

const session = {
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
} as const;
export const sessionColumns = unnest(session);
export const sessionColumnNames = Object.keys(session);
export type SessionRow = RowOf<typeof session>;

/** A session and whose it is. */
const ownedSession = { ...owned, session_key: "text" } as const;
export const ownedColumns = unnest(ownedSession);
export type OwnedRow = RowOf<typeof ownedSession>;

/** A session that an event names before its state has come. */
const stub = {
  ...owned,
  ...named,
  tenant_key: "text",
  status: "text",
  created_at: "timestamp",
} as const;
export const stubColumns = unnest(stub);
export type StubRow = RowOf<typeof stub>;

const activity = {
  ...owned,
  session_id: "uuid",
  activity_type: "text",
  activity_category: "text",
  timestamp: "timestamp",
  details: "jsonb",
  success: "boolean",
  event_id: "text",
  arrived_at: "timestamp",
} as const;
export const activityColumns = unnest(activity);
export type ActivityRow = RowOf<typeof activity>;

const anomaly = {
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
} as const;
export const anomalyColumns = unnest(anomaly);
export type AnomalyRow = RowOf<typeof anomaly>;

/** `id` is the anomaly's, and that of its security event. */
const retraction = { ...owned, retracted_by: "text", retracted_at: "timestamp" } as const;
export const retractionColumns = unnest(retraction);
export type RetractionRow = RowOf<typeof retraction>;

const revocation = {
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
} as const;
export const revocationColumns = unnest(revocation);
export type RevocationRow = RowOf<typeof revocation>;
