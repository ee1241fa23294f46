import type { SessionName } from "@vigie/core/keys";
import { PARTITIONS_DEFAULT } from "@vigie/schemas/catalogue";
import type { Channel, UserType } from "@vigie/schemas/types";
import { tenantUuid, uuidOf } from "../ids.ts";
import type { Database } from "../postgres/database.ts";
import { endStatusOf, type Found, type OwnedSession, type SessionStore } from "./session-store.ts";
import { IS_SESSION, isStub } from "./stub-rows.ts";
import { LAG_MAX_MS } from "./topic-ends.ts";

/** The session sink's own names. */
const GROUP = "vigie.session-sink";
const TOPIC = "id.session.state";

/**
 * One statement, hence one moment: the row is as new as the offset says. The id of a row is no name of a session:
 * revocations and commands know it by the name that its source gave it.
 */
const FIND = `
  select s.*,
         (select next_offset from sink_offsets
           where group_id = $4 and topic = $5 and partition = $6) as applied
    from (values (1)) as always
    left join (
      select status, session_type, created_at, last_activity, absolute_expires_at, session_data,
             user_type, risk_score, org_id, device_key, country, city, step_up_required_at
        from user_sessions
       where tenant_id = $2 and user_id = $8 and id = $1
         and user_key = $3 and session_key = $7) as s on true`;

const OWNER = `
  select user_key, session_key from user_sessions
   where id = $1 and tenant_id = $2 and ${IS_SESSION}`;

export interface PostgresSessions extends SessionStore {
  /** SES-18: whose a session is, by its name or the id of its row; null for one that is not known. */
  ownerOf(tenantId: string, sessionId: string): Promise<OwnedSession | null>;
}

/** Sessions as the session sink keeps them in PostgreSQL. */
export function postgresSessions(
  database: Database,
  partitions = PARTITIONS_DEFAULT,
): PostgresSessions {
  return {
    lagMaxMs: LAG_MAX_MS,
    async find(name) {
      const { tenantId, userId, sessionId } = name;
      const partition = name.partition(partitions);
      const id = uuidOf(tenantId, "session", sessionId);
      const user = uuidOf(tenantId, "user", userId);
      const values = [id, tenantUuid(tenantId), userId, GROUP, TOPIC, partition, sessionId, user];
      const { rows } = await database.inTenant(tenantId, (tx) =>
        tx.query<Row>(FIND, values, "vigie_session"),
      );
      const [row] = rows;
      const found: Found = row === undefined ? { kind: "none" } : foundOf(name, row);
      return { found, partition, appliedOffset: row?.applied ?? 0 };
    },
    async ownerOf(tenantId, sessionId) {
      const values = [uuidOf(tenantId, "session", sessionId), tenantUuid(tenantId)];
      const { rows } = await database.inTenant(tenantId, (tx) =>
        tx.query<{ user_key: string; session_key: string }>(OWNER, values, "vigie_session_owner"),
      );
      const [row] = rows;
      return row === undefined ? null : { userId: row.user_key, sessionId: row.session_key };
    },
  };
}

interface Row {
  readonly applied: number | null;
  /** Null: no such row, and then so is everything below. */
  readonly status: string | null;
  readonly session_type: string;
  readonly created_at: Date;
  readonly last_activity: Date;
  readonly absolute_expires_at: Date;
  readonly session_data: { readonly roles?: readonly string[]; readonly adopted?: boolean };
  readonly user_type: string;
  readonly risk_score: number;
  readonly org_id: string | null;
  readonly device_key: string | null;
  readonly country: string | null;
  readonly city: string | null;
  readonly step_up_required_at: Date | null;
}

function foundOf({ tenantId, userId, sessionId }: SessionName, row: Row): Found {
  const { status } = row;
  if (status === null || isStub(status)) return { kind: "none" };
  if (status !== "ACTIVE") return { kind: "ended", status: endStatusOf(status) };
  const createdAtMs = row.created_at.getTime();
  const session = {
    tenantId,
    userId,
    sessionId,
    orgId: row.org_id,
    roles: row.session_data.roles ?? [],
    channel: row.session_type.toUpperCase() as Channel,
    startedAtMs: row.session_data.adopted === true ? null : createdAtMs,
    deviceId: row.device_key,
    userType: row.user_type as UserType,
    country: row.country,
    city: row.city,
    createdAtMs,
    lastSeenMs: row.last_activity.getTime(),
    absoluteExpiresAtMs: row.absolute_expires_at.getTime(),
    stepUpRequiredAtMs: row.step_up_required_at?.getTime() ?? null,
    riskScore: row.risk_score,
  };
  return { kind: "active", session };
}
