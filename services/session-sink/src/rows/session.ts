import type { SessionState } from "@vigie/schemas/types";
import { uuidOf } from "@vigie/service-kit/ids";
import type { SessionRow } from "./columns.ts";
import { isoTime, isoTimeOrNull, sessionUuid, subjectIds } from "./ids.ts";

/**
 * Column widths of REQUIREMENTS SES-24 to SES-26; what is longer is cut, since the state is not
 * ours to refuse.
 */
const REASON_MAX = 100;
const METHOD_MAX = 50;
const REFERENCE_MAX = 255;

const cut = (text: string | null, lengthMax: number): string | null =>
  text === null || text.length <= lengthMax ? text : text.slice(0, lengthMax).toWellFormed();

/** SES-24 to SES-26: the row of a session's latest state. */
export function sessionRow(state: SessionState): SessionRow {
  const { tenantId, userId } = subjectIds(state);
  const { device_id: device, roles, adopted } = state;
  const expiresMs = Math.min(state.idle_expires_at, state.absolute_expires_at);
  return {
    id: sessionUuid(state, state.session_id),
    user_id: userId,
    tenant_id: tenantId,
    device_id: device === null ? null : uuidOf(state.tenant_id, "device", device),
    authentik_session_id: cut(state.upstream_session_ref, REFERENCE_MAX),
    ip_address_hash: state.ip_hash,
    user_agent: state.user_agent,
    client_info: JSON.stringify(state.client),
    session_type: state.channel.toLowerCase(),
    login_method: cut(state.login_method, METHOD_MAX),
    session_data: JSON.stringify({ roles, adopted }),
    created_at: isoTime(state.created_at),
    last_activity: isoTime(state.last_seen_at),
    expires_at: isoTime(expiresMs),
    is_active: state.status === "ACTIVE",
    terminated_at: isoTimeOrNull(state.ended_at),
    termination_reason: cut(state.end_reason, REASON_MAX),
    tenant_key: state.tenant_id,
    user_key: state.user_id,
    session_key: state.session_id,
    device_key: device,
    version: state.version,
    status: state.status,
    ip_prefix: state.ip_prefix,
    ip_hash_key_id: state.ip_hash_key_id,
    country: state.country,
    city: state.city,
    user_type: state.user_type,
    org_id: state.org_id,
    idle_expires_at: isoTime(state.idle_expires_at),
    absolute_expires_at: isoTime(state.absolute_expires_at),
    step_up_required_at: isoTimeOrNull(state.step_up_required_at),
    risk_score: state.risk_score,
    policy_version: state.policy_version,
  };
}
