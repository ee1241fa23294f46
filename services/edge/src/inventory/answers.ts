import { cursorOf, type Place } from "@vigie/service-kit/keyset";
import { Type } from "typebox";
import type { JudgedSession } from "./liveness.ts";

/** The shapes of answers, and rows as such. What a schema does not name is left out of the answer. */

const nullable = (type: "string" | "integer" | "boolean", description?: string) =>
  Type.Unsafe<string | number | boolean | null>({
    type: [type, "null"],
    ...(description !== undefined && { description }),
  });
const time = (description?: string) =>
  Type.String({ format: "date-time", ...(description !== undefined && { description }) });

/** SES-09, SES-10: exactly these. */
const summary = {
  session_id: Type.String({ format: "uuid" }),
  tenant_id: Type.String({ format: "uuid" }),
  device_id: nullable("string", "UUID"),
  session_type: Type.String({ description: "mobile, web, ussd, api" }),
  login_method: nullable("string"),
  created_at: time(),
  last_activity: time(),
  expires_at: time("by the policy in force, if nothing more is seen of the session"),
  is_active: Type.Boolean({ description: "what every enforcement point is told now" }),
  is_current: Type.Boolean({ description: "the session of the calling token" }),
  user_agent: nullable("string"),
  client_info: Type.Object({ browser: nullable("string"), os: nullable("string") }),
};

const details = {
  ...summary,
  status: Type.String({ description: "ACTIVE, IDLE_EXPIRED, EXPIRED, REVOKED, LOGGED_OUT" }),
  ended_at: nullable("string"),
  end_reason: nullable("string"),
  country: nullable("string", "ISO 3166-1 alpha-2"),
  city: nullable("string"),
  ip_prefix: nullable("string", "truncated: /24 or /48"),
  step_up_required: Type.Boolean({ description: "a second factor is asked for" }),
};

const administered = {
  ...details,
  user_id: Type.String({ format: "uuid" }),
  user_key: Type.String({ description: "the user as tokens and events name them" }),
  session_key: Type.String({ description: "the session as tokens and events name it" }),
  device_key: nullable("string", "the device as events name it"),
  user_type: nullable("string"),
  org_id: nullable("string"),
  roles: Type.Array(Type.String()),
  risk_score: Type.Integer({ description: "0..100" }),
};

export const summarySchema = Type.Object(summary);
export const detailsSchema = Type.Object(details);
export const administeredSchema = Type.Object(administered);

const iso = (ms: number): string => new Date(ms).toISOString();

/** Everything that any of the schemas names. */
export function sessionAnswer(judged: JudgedSession, currentId: string | null) {
  const { row } = judged;
  return {
    session_id: row.id,
    tenant_id: row.tenant_id,
    user_id: row.user_id,
    device_id: row.device_id,
    session_type: row.session_type,
    login_method: row.login_method,
    created_at: row.created_at.toISOString(),
    last_activity: row.last_activity.toISOString(),
    expires_at: iso(judged.expiresAtMs),
    is_active: judged.isActive,
    is_current: row.id === currentId,
    user_agent: row.user_agent,
    client_info: clientAnswer(row.client_info),
    status: judged.status,
    ended_at: judged.endedAtMs === null ? null : iso(judged.endedAtMs),
    end_reason: judged.endReason,
    country: row.country,
    city: row.city,
    ip_prefix: row.ip_prefix,
    step_up_required: row.step_up_required_at !== null,
    user_key: row.user_key,
    session_key: row.session_key,
    device_key: row.device_key,
    user_type: row.user_type,
    org_id: row.org_id,
    roles: row.session_data.roles ?? [],
    risk_score: row.risk_score,
  };
}

export const clientAnswer = (client: Readonly<Record<string, string>> | null) => ({
  browser: client?.browser ?? null,
  os: client?.os ?? null,
});

const next = nullable("string", "cursor of the next page; null at the end");

export const pageSchema = <Name extends string, Item extends object>(name: Name, item: Item) =>
  Type.Object({ [name]: Type.Array(item), next });

export const nextAnswer = ({ next: place }: { readonly next: Place | null }): string | null =>
  place === null ? null : cursorOf(place);

export const labelSchema = Type.Enum(["true_positive", "false_positive"]);

const anomaly = {
  anomaly_id: Type.String(),
  session_id: nullable("string", "UUID"),
  kind: Type.String(),
  severity: Type.String(),
  risk_score: Type.Integer(),
  action: Type.String(),
  mode: Type.String({ description: "SHADOW: computed for study, never acted on" }),
  occurred_at: time(),
  detected_at: time(),
  rule_version: Type.String(),
  policy_version: Type.Integer(),
  evidence: Type.Object({}, { additionalProperties: true }),
  explanation: Type.String(),
  retracted_at: nullable("string", "null: it stands"),
  retracted_by: nullable("string", "anomaly_id of the record that withdraws it"),
};

/** As a stream tells it: what people think of it comes later. */
export const toldAnomalySchema = Type.Object(anomaly);
export const anomalySchema = Type.Object({
  ...anomaly,
  label: nullable("string", "what a person found it to be: true_positive, false_positive"),
  labelled_at: nullable("string"),
});

export const timelineItemSchema = Type.Object({
  id: Type.String({ format: "uuid" }),
  at: time(),
  session_id: nullable("string", "UUID; null without a session"),
  kind: Type.String({ description: "auth_success, heartbeat, anomaly, revoke, command, …" }),
  category: nullable("string", "auth, security, data"),
  success: nullable("boolean"),
  details: Type.Object({}, { additionalProperties: true }),
});

const currentStatistics = Type.Object({
  activities: Type.Integer({ description: "of this session" }),
  is_complete: Type.Boolean({ description: "false: there are more than were counted" }),
  by_type: Type.Record(Type.String(), Type.Integer()),
  by_category: Type.Record(Type.String(), Type.Integer()),
  first_activity_at: nullable("string"),
  last_activity_at: nullable("string"),
  duration_s: Type.Integer({ description: "since the session began" }),
});

export const currentSchema = Type.Object({ ...details, statistics: currentStatistics });

/** SES-13; CNF-33: an inactive session counts as expired, whatever ended it. */
export const statisticsSchema = Type.Object({
  total_sessions: Type.Integer(),
  active_sessions: Type.Integer(),
  expired_sessions: Type.Integer(),
  recent_sessions_24h: Type.Integer({ description: "begun within the last 24 hours" }),
  timestamp: time(),
});

export const deviceSchema = Type.Object({
  device_id: Type.String({ format: "uuid" }),
  device_key: Type.String({ description: "the device as events name it" }),
  first_seen_at: time(),
  last_seen_at: nullable("string", "of its latest session"),
  is_current: Type.Boolean({ description: "the calling session is on it" }),
  client_info: summary.client_info,
  country: nullable("string"),
  city: nullable("string"),
  sessions: Type.Array(detailsSchema, { description: "the active ones" }),
});

export const usageSchema = Type.Object({
  from: Type.String({ format: "date" }),
  until: Type.String({ format: "date", description: "exclusive" }),
  days: Type.Array(
    Type.Object({
      day: Type.String({ format: "date" }),
      channel: Type.String(),
      sessions: Type.Integer({ description: "begun on this day (UTC)" }),
    }),
  ),
  by_channel: Type.Record(Type.String(), Type.Integer()),
  sessions: Type.Integer(),
  previous_sessions: Type.Integer({ description: "in as many days before" }),
  growth: Type.Unsafe<number | null>({
    type: ["number", "null"],
    description: "sessions over previous ones, less one; null without previous ones",
  }),
});
