import type { Channel } from "@vigie/schemas/types";
import type { DeniableSession } from "@vigie/service-kit/sessions/view";

/** A session as the tables have it; times are UTC. Source: migrations of the session sink. */
export interface SessionRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly user_id: string;
  readonly device_id: string | null;
  readonly session_type: string;
  readonly login_method: string | null;
  readonly created_at: Date;
  readonly last_activity: Date;
  readonly expires_at: Date;
  readonly absolute_expires_at: Date | null;
  readonly status: string;
  readonly terminated_at: Date | null;
  readonly termination_reason: string | null;
  readonly user_agent: string | null;
  readonly client_info: Readonly<Record<string, string>>;
  readonly session_data: { readonly roles?: readonly string[]; readonly adopted?: boolean };
  readonly tenant_key: string;
  readonly user_key: string;
  readonly session_key: string;
  readonly device_key: string | null;
  readonly ip_prefix: string | null;
  readonly country: string | null;
  readonly city: string | null;
  readonly user_type: string | null;
  readonly org_id: string | null;
  readonly step_up_required_at: Date | null;
  readonly risk_score: number;
}

export const SESSION_COLUMNS = `
  id, tenant_id, user_id, device_id, session_type, login_method, created_at, last_activity,
  expires_at, absolute_expires_at, status, terminated_at, termination_reason, user_agent,
  client_info, session_data, tenant_key, user_key, session_key, device_key, ip_prefix, country,
  city, user_type, org_id, step_up_required_at, risk_score`;

type Deniable = Pick<
  SessionRow,
  | "tenant_key"
  | "user_key"
  | "session_key"
  | "org_id"
  | "session_data"
  | "session_type"
  | "created_at"
>;

export const channelOfRow = ({ session_type: type }: Pick<SessionRow, "session_type">): Channel =>
  type.toUpperCase() as Channel;

/** A row as revocations and epochs ask for it. */
export const deniableOf = (row: Deniable): DeniableSession => ({
  tenantId: row.tenant_key,
  userId: row.user_key,
  sessionId: row.session_key,
  orgId: row.org_id,
  roles: row.session_data.roles ?? [],
  channel: channelOfRow(row),
  // When an adopted session began is not known, which counts as older than every epoch.
  startedAtMs: row.session_data.adopted === true ? null : row.created_at.getTime(),
});
