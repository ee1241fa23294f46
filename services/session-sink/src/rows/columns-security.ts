import { type RowOf, unnest } from "@vigie/service-kit/postgres/unnest";
import { named, owned } from "./columns.ts";

/** The columns of commands, decisions and security events, as the sink's migrations define them. */

/** What a command and its result both tell: either may come first. */
const half = {
  ...owned,
  user_key: "text",
  command_id: "text",
  batch_id: "text",
  noted_at: "timestamp",
} as const;

export const commandColumns = unnest({
  ...half,
  session_key: "text",
  requested_at: "timestamp",
  kind: "text",
  device_key: "text",
  channel: "text",
  keep_session_key: "text",
  reason: "text",
  actor_type: "text",
  actor_id: "text",
  impersonator_id: "text",
});
export type CommandRow = RowOf<typeof commandColumns>;

export const resultColumns = unnest({
  ...half,
  decided_at: "timestamp",
  revoked_session_keys: "jsonb",
  already_ended: "integer",
});
export type ResultRow = RowOf<typeof resultColumns>;

export const decisionColumns = unnest({
  ...owned,
  ...named,
  session_id: "uuid",
  decision_id: "text",
  anomaly_id: "text",
  action: "text",
  decided_at: "timestamp",
  reason: "text",
});
export type DecisionRow = RowOf<typeof decisionColumns>;

export const ackColumns = unnest({
  tenant_id: "uuid",
  revocation: "uuid",
  enforcement_point: "text",
  revocation_id: "text",
  acted_at: "timestamp",
});
export type AckRow = RowOf<typeof ackColumns>;

export const pointColumns = unnest({ tenant_id: "uuid", name: "text", last_acted_at: "timestamp" });
export type PointRow = RowOf<typeof pointColumns>;

export const epochColumns = unnest({
  tenant_id: "uuid",
  scope: "text",
  value: "text",
  tenant_key: "text",
  epoch_id: "text",
  not_before: "timestamp",
  reason: "text",
  actor_type: "text",
  actor_id: "text",
});
export type EpochRow = RowOf<typeof epochColumns>;

export const policyChangeColumns = unnest({
  tenant_id: "uuid",
  tenant_key: "text",
  version: "bigint",
  updated_at: "timestamp",
  actor_type: "text",
  actor_id: "text",
  document: "jsonb",
});
export type PolicyChangeRow = RowOf<typeof policyChangeColumns>;

export const securityEventColumns = unnest({
  ...owned,
  ...named,
  session_id: "uuid",
  kind: "text",
  severity: "text",
  source: "text",
  origin_id: "text",
  evidence: "jsonb",
  occurred_at: "timestamp",
});
export type SecurityEventRow = RowOf<typeof securityEventColumns>;

export const erasureColumns = unnest({
  tenant_id: "uuid",
  erasure_id: "text",
  subject_id: "uuid",
  requested_at: "timestamp",
});
export type ErasureRow = RowOf<typeof erasureColumns>;

export const erasurePartColumns = unnest({
  tenant_id: "uuid",
  erasure_id: "text",
  part: "text",
  done_at: "timestamp",
});
export type ErasurePartRow = RowOf<typeof erasurePartColumns>;
