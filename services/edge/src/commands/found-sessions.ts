import { tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import type { DeniableSession, SessionView } from "@vigie/service-kit/sessions/view";
import { deniableOf, type SessionRow } from "../inventory/session-rows.ts";
import type { Filter } from "./filter.ts";

export interface FoundSession extends DeniableSession {
  /** Of the row: the order in which they are found. */
  readonly rowId: string;
  readonly deviceId: string | null;
}

export interface Count {
  readonly sessions: number;
  readonly users: number;
  /** False: so many that revocations of the last moments were not taken off one by one. */
  readonly isExact: boolean;
}

/** Rows that one look fetches. Source: some 30 ms, and 3 MB. */
const ROWS_MAX = 10_000;

type Row = Parameters<typeof deniableOf>[0] & Pick<SessionRow, "id" | "device_key">;

interface Clauses {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Sessions of the tenant that pass the filter and are not on record as ended. */
function clausesOf(
  tenantId: string,
  filter: Filter,
  { kept = null, liveAtMs }: { readonly kept?: string | null; readonly liveAtMs?: number } = {},
): Clauses {
  const values: unknown[] = [];
  const put = (value: unknown): string => `$${values.push(value)}`;
  const uuid = (kind: "user" | "session" | "device", id: string | undefined) =>
    id === undefined ? undefined : uuidOf(tenantId, kind, id);
  const said: readonly (readonly [unknown, (place: string) => string])[] = [
    [tenantUuid(tenantId), (place) => `tenant_id = ${place}`],
    [isoOf(liveAtMs), (place) => `expires_at > ${place}::timestamp`],
    [uuid("user", filter.userId), (place) => `user_id = ${place}`],
    [uuid("session", filter.sessionId), (place) => `id = ${place}`],
    [uuid("session", kept ?? undefined), (place) => `id <> ${place}`],
    [uuid("device", filter.deviceId), (place) => `device_id = ${place}`],
    [filter.channel?.toLowerCase(), (place) => `session_type = ${place}`],
    [filter.orgId, (place) => `org_id = ${place}`],
    [filter.role, (place) => `session_data -> 'roles' ? ${place}`],
    [filter.country, (place) => `country = ${place}::bpchar`],
  ];
  const given = said.filter(([value]) => value !== undefined);
  const conditions = given.map(([value, condition]) => condition(put(value)));
  const text = ["is_active", "status = 'ACTIVE'", ...conditions].join(" and ");
  return { text, values };
}

const isoOf = (ms: number | undefined) => (ms === undefined ? ms : new Date(ms).toISOString());

const COLUMNS = `id, tenant_key, user_key, session_key, device_key, org_id, session_type, session_data,
  created_at`;

/**
 * The next sessions that match, in the order of their rows, without those that are denied already. One past the end
 * that its row tells is found too: outages and policies may have moved it, and the processor knows.
 */
export async function findSessions(
  { database, view }: { readonly database: Database; readonly view: SessionView },
  query: {
    readonly tenantId: string;
    readonly filter: Filter;
    /** The last row of the page before. */
    readonly after: string | null;
    readonly limit: number;
  },
): Promise<{ readonly sessions: readonly FoundSession[]; readonly next: string | null }> {
  const { tenantId, filter, after, limit } = query;
  const rows = await database.inTenant(tenantId, (tx) =>
    rowsOf(tx, clausesOf(tenantId, filter), { after, limit }),
  );
  const sessions = rows.map(foundOf).filter(isUndenied(view));
  return { sessions, next: rows.length === limit ? (rows.at(-1)?.id ?? null) : null };
}

/** How many sessions a filter means now, denials of the last moments taken off. */
export async function countSessions(
  { database, view }: { readonly database: Database; readonly view: SessionView },
  query: {
    readonly tenantId: string;
    readonly filter: Filter;
    /** A session that is spared, by either id. */
    readonly kept: string | null;
    readonly nowMs: number;
  },
): Promise<Count> {
  const { tenantId, filter, kept, nowMs } = query;
  const clauses = clausesOf(tenantId, filter, { kept, liveAtMs: nowMs });
  return database.inTenant(tenantId, async (tx) => {
    const rows = await rowsOf(tx, clauses, { after: null, limit: ROWS_MAX });
    if (rows.length === ROWS_MAX) return countRoughly(tx, clauses);
    const found = rows.map(foundOf).filter(isUndenied(view));
    const users = new Set(found.map(({ userId }) => userId)).size;
    return { sessions: found.length, users, isExact: true };
  });
}

async function rowsOf(
  tx: Queryable,
  { text, values }: Clauses,
  { after, limit }: { readonly after: string | null; readonly limit: number },
): Promise<readonly Row[]> {
  const place = after === null ? "" : `and id > $${values.length + 1}::uuid`;
  const { rows } = await tx.query<Row>(
    `select ${COLUMNS} from user_sessions where ${text} ${place} order by id limit ${limit}`,
    after === null ? values : [...values, after],
  );
  return rows;
}

async function countRoughly(tx: Queryable, { text, values }: Clauses): Promise<Count> {
  const { rows } = await tx.query<{ readonly sessions: number; readonly users: number }>(
    `select count(*)::int as sessions, count(distinct user_id)::int as users
       from user_sessions where ${text}`,
    values,
  );
  return { sessions: rows[0]?.sessions ?? 0, users: rows[0]?.users ?? 0, isExact: false };
}

const isUndenied =
  (view: SessionView) =>
  (session: FoundSession): boolean =>
    view.denialOf(session) === null;

const foundOf = (row: Row): FoundSession => ({
  ...deniableOf(row),
  rowId: row.id,
  deviceId: row.device_key,
});
