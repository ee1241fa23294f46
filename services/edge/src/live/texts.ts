import type {
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import {
  administeredSchema,
  detailsSchema,
  sessionAnswer,
  toldAnomalySchema,
} from "../inventory/answers.ts";
import type { Reading } from "../inventory/reading.ts";
import type { SessionRow } from "../inventory/session-rows.ts";
import type { LiveEvent } from "./event.ts";

/** Who reads: what is shown of an event depends on it. */
export interface Reader {
  readonly isAdmin: boolean;
  /** The calling session as a row id. */
  readonly currentId: string | null;
}

/** An event as JSON, or null if it is not for this reader. */
export type TextOf = (event: LiveEvent, reader: Reader) => string | null;

type Fields = Readonly<Record<string, unknown>>;

/** Fields as the routes that read have them; a session is judged by what counts now, as there. */
export function textsOf({ judged }: Pick<Reading, "judged">): TextOf {
  return (event, reader) => {
    const fields = fieldsOf(event, reader, judged);
    return fields === null ? null : JSON.stringify({ type: event.kind, ...fields });
  };
}

function fieldsOf(event: LiveEvent, reader: Reader, judged: Reading["judged"]): Fields | null {
  switch (event.kind) {
    case "session": {
      const [session] = judged([rowOf(event.value)]);
      if (session === undefined) return null;
      const { properties } = reader.isAdmin ? administeredSchema : detailsSchema;
      return only(properties, sessionAnswer(session, reader.currentId));
    }
    case "anomaly":
      return anomalyFields(event.value, reader);
    case "revocation":
      return revocationFields(event.value, reader);
    case "epoch":
      return reader.isAdmin ? epochFields(event.value) : null;
  }
}

const only = (properties: object, fields: Fields): Fields =>
  Object.fromEntries(Object.keys(properties).map((name) => [name, fields[name]]));

const iso = (ms: number): string => new Date(ms).toISOString();
const dateOrNull = (ms: number | null): Date | null => (ms === null ? null : new Date(ms));

type OfUser = { readonly tenant_id: string; readonly user_id: string };

const sessionUuid = ({ tenant_id }: OfUser, sessionId: string | null): string | null =>
  sessionId === null ? null : uuidOf(tenant_id, "session", sessionId);

/** Whose it is, for who sees those of others. */
const ofWhom = (value: OfUser & { readonly session_id: string | null }): Fields => ({
  user_id: uuidOf(value.tenant_id, "user", value.user_id),
  user_key: value.user_id,
  session_key: value.session_id,
});

/** The row that the read model will have. */
const rowOf = (state: SessionState): SessionRow => ({
  id: uuidOf(state.tenant_id, "session", state.session_id),
  tenant_id: tenantUuid(state.tenant_id),
  user_id: uuidOf(state.tenant_id, "user", state.user_id),
  device_id: state.device_id === null ? null : uuidOf(state.tenant_id, "device", state.device_id),
  session_type: state.channel.toLowerCase(),
  login_method: state.login_method,
  created_at: new Date(state.created_at),
  last_activity: new Date(state.last_seen_at),
  expires_at: new Date(Math.min(state.idle_expires_at, state.absolute_expires_at)),
  absolute_expires_at: new Date(state.absolute_expires_at),
  status: state.status,
  terminated_at: dateOrNull(state.ended_at),
  termination_reason: state.end_reason,
  user_agent: state.user_agent,
  client_info: state.client,
  session_data: { roles: state.roles, adopted: state.adopted },
  tenant_key: state.tenant_id,
  user_key: state.user_id,
  session_key: state.session_id,
  device_key: state.device_id,
  ip_prefix: state.ip_prefix,
  country: state.country,
  city: state.city,
  user_type: state.user_type,
  org_id: state.org_id,
  step_up_required_at: dateOrNull(state.step_up_required_at),
  risk_score: state.risk_score,
});

/** A rule in the shadow is studied by administrators; nobody else hears of what it found. */
function anomalyFields(anomaly: SessionAnomaly, { isAdmin }: Reader): Fields | null {
  if (!isAdmin && anomaly.mode !== "ENFORCE") return null;
  const session_id = sessionUuid(anomaly, anomaly.session_id);
  const whose = isAdmin ? ofWhom(anomaly) : {};
  const detected_at = iso(anomaly.detected_at);
  if (anomaly.retracts !== null) {
    const withdrawn = { retracted_at: detected_at, retracted_by: anomaly.anomaly_id };
    return { anomaly_id: anomaly.retracts, session_id, ...whose, ...withdrawn };
  }
  const fields = {
    ...anomaly,
    session_id,
    occurred_at: iso(anomaly.occurred_at),
    detected_at,
    retracted_at: null,
    retracted_by: null,
  };
  return { ...only(toldAnomalySchema.properties, fields), ...whose };
}

function revocationFields(revoked: SessionRevoked, { isAdmin }: Reader): Fields {
  const { revocation_id, channel, revoked_at, reason, actor } = revoked;
  const { command_id, anomaly_id, epoch_id } = revoked;
  return {
    revocation_id,
    session_id: sessionUuid(revoked, revoked.session_id),
    session_type: channel.toLowerCase(),
    revoked_at: iso(revoked_at),
    reason,
    actor_type: actor.type,
    command_id,
    anomaly_id,
    epoch_id,
    ...(isAdmin && { ...ofWhom(revoked), device_key: revoked.device_id, actor_id: actor.id }),
  };
}

const epochFields = ({ epoch_id, scope, value, not_before, reason, actor }: SessionEpoch) => ({
  epoch_id,
  scope,
  value,
  not_before: iso(not_before),
  reason,
  actor_type: actor.type,
  actor_id: actor.id,
});
