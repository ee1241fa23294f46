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

const command = {
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
} as const;
export const commandColumns = unnest(command);
export const commandColumnNames = Object.keys(command);
export type CommandRow = RowOf<typeof command>;

const result = {
  ...half,
  decided_at: "timestamp",
  revoked_session_keys: "jsonb",
  already_ended: "integer",
} as const;
export const resultColumns = unnest(result);
export type ResultRow = RowOf<typeof result>;

const decision = {
  ...owned,
  ...named,
  session_id: "uuid",
  decision_id: "text",
  anomaly_id: "text",
  action: "text",
  decided_at: "timestamp",
  reason: "text",
} as const;
export const decisionColumns = unnest(decision);
export type DecisionRow = RowOf<typeof decision>;

const label = {
  ...owned,
  anomaly_id: "text",
  label: "text",
  note: "text",
  labelled_at: "timestamp",
  actor_type: "text",
  actor_id: "text",
} as const;
export const labelColumns = unnest(label);
export type LabelRow = RowOf<typeof label>;

const ack = {
  tenant_id: "uuid",
  revocation: "uuid",
  enforcement_point: "text",
  revocation_id: "text",
  acted_at: "timestamp",
} as const;
export const ackColumns = unnest(ack);
export type AckRow = RowOf<typeof ack>;

const point = { tenant_id: "uuid", name: "text", last_acted_at: "timestamp" } as const;
export const pointColumns = unnest(point);
export type PointRow = RowOf<typeof point>;

const epoch = {
  tenant_id: "uuid",
  scope: "text",
  value: "text",
  tenant_key: "text",
  epoch_id: "text",
  not_before: "timestamp",
  reason: "text",
  actor_type: "text",
  actor_id: "text",
} as const;
export const epochColumns = unnest(epoch);
export type EpochRow = RowOf<typeof epoch>;

const policyChange = {
  tenant_id: "uuid",
  tenant_key: "text",
  version: "bigint",
  updated_at: "timestamp",
  actor_type: "text",
  actor_id: "text",
  document: "jsonb",
} as const;
export const policyChangeColumns = unnest(policyChange);
export type PolicyChangeRow = RowOf<typeof policyChange>;

const securityEvent = {
  ...owned,
  ...named,
  session_id: "uuid",
  kind: "text",
  severity: "text",
  source: "text",
  origin_id: "text",
  evidence: "jsonb",
  occurred_at: "timestamp",
} as const;
export const securityEventColumns = unnest(securityEvent);
export type SecurityEventRow = RowOf<typeof securityEvent>;

const erasure = {
  tenant_id: "uuid",
  erasure_id: "text",
  subject_id: "uuid",
  requested_at: "timestamp",
} as const;
export const erasureColumns = unnest(erasure);
export type ErasureRow = RowOf<typeof erasure>;

const erasurePart = {
  tenant_id: "uuid",
  erasure_id: "text",
  part: "text",
  done_at: "timestamp",
} as const;
export const erasurePartColumns = unnest(erasurePart);
export type ErasurePartRow = RowOf<typeof erasurePart>;
