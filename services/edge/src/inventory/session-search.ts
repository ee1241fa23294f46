import type { Page, PageWanted, Place } from "@vigie/service-kit/keyset";
import { IS_SESSION } from "@vigie/service-kit/sessions/stub-rows";
import { SESSION_COLUMNS, type SessionRow } from "./session-rows.ts";
import { type Statement, timeText, Values } from "./statement.ts";

/** What a search may ask for; all that is given must hold. Ids are UUIDs of rows. */
export interface SessionFilter {
  readonly userId?: string;
  readonly deviceId?: string;
  readonly orgId?: string;
  /** 1..100: sessions of at least this risk. */
  readonly riskMin?: number;
  /** ISO 3166-1 alpha-2. */
  readonly country?: string;
  /** As stored. */
  readonly status?: string;
  /** mobile, web, ussd, api. */
  readonly sessionType?: string;
  readonly createdFromMs?: number;
  /** Exclusive, as activeUntilMs. */
  readonly createdUntilMs?: number;
  readonly activeFromMs?: number;
  readonly activeUntilMs?: number;
}

type FilterName = keyof SessionFilter;

/** How a filter is said in SQL. */
const conditions: {
  readonly [Name in FilterName]-?: (
    value: NonNullable<SessionFilter[Name]>,
    values: Values,
  ) => string;
} = {
  userId: (id, values) => `user_id = ${values.put(id, "uuid")}`,
  deviceId: (id, values) => `device_id = ${values.put(id, "uuid")}`,
  orgId: (org, values) => `org_id = ${values.put(org, "varchar")}`,
  riskMin: (risk, values) => `risk_score >= ${values.put(risk, "integer")}`,
  country: (country, values) => `country = ${values.put(country, "bpchar")}`,
  status: (status, values) => `status = ${values.put(status, "varchar")}`,
  sessionType: (type, values) => `session_type = ${values.put(type, "varchar")}`,
  createdFromMs: (ms, values) => `created_at >= ${values.put(timeText(ms), "timestamp")}`,
  createdUntilMs: (ms, values) => `created_at < ${values.put(timeText(ms), "timestamp")}`,
  activeFromMs: (ms, values) => `last_activity >= ${values.put(timeText(ms), "timestamp")}`,
  activeUntilMs: (ms, values) => `last_activity < ${values.put(timeText(ms), "timestamp")}`,
};

/** An index that can be scanned for a page. */
interface ScannedIndex {
  readonly serves: (filter: SessionFilter) => boolean;
  /** Filters that it answers: no row outside them is looked at. */
  readonly answers: readonly FilterName[];
  /** All that it holds, in its own words, where that is more than these filters pass. */
  readonly holds?: string;
}

const by = (name: FilterName): ScannedIndex => ({
  serves: (filter) => filter[name] !== undefined,
  answers: [name],
});

/** The one with the fewest rows first: the first one that serves is scanned. */
const indexes: readonly ScannedIndex[] = [
  // However many sessions a person had, those that may be alive are few, and asked for most.
  {
    serves: ({ userId, status }) => userId !== undefined && status === "ACTIVE",
    answers: ["userId", "status"],
  },
  by("userId"),
  by("deviceId"),
  by("orgId"),
  // Every session with a risk, not sorted by it.
  { ...by("riskMin"), answers: [], holds: "risk_score > 0" },
  by("country"),
  by("status"),
];
const byTimeAlone: Omit<ScannedIndex, "serves"> = { answers: [] };
/** Part of the order of every index, so they never make a scan longer. */
const bounds: readonly FilterName[] = ["createdFromMs", "createdUntilMs"];

/**
 * Rows that one page may look at. A search for what hardly any row has would otherwise read the whole tenant; so its
 * page may be short, even empty, and still have a next one. Source: docs/query-plans.md.
 */
export const SCAN_MAX = 2_000;

/** A row of the search; `matches` is false for the one that only tells where the scan ended. */
export interface FoundSession extends SessionRow {
  readonly matches: boolean;
  readonly is_last_scanned: boolean;
}

export interface SearchPage extends PageWanted {
  /** Default: SCAN_MAX. */
  readonly scanMax?: number;
}

/** One page of a tenant's sessions, newest first. */
export function sessionSearch(
  tenantId: string,
  filter: SessionFilter,
  page: SearchPage,
): Statement {
  const values = new Values();
  const asked = (Object.keys(filter) as FilterName[]).filter((name) => filter[name] !== undefined);
  const index = indexes.find(({ serves }) => serves(filter)) ?? byTimeAlone;
  const isScanned = (name: FilterName): boolean =>
    index.answers.includes(name) || bounds.includes(name);
  const said = (name: FilterName): string =>
    (conditions[name] as (value: unknown, values: Values) => string)(filter[name], values);

  const scanned = [
    `tenant_id = ${values.put(tenantId, "uuid")}`,
    IS_SESSION,
    ...asked.filter(isScanned).map(said),
    ...(index.holds === undefined ? [] : [index.holds]),
    ...afterPlace(page.after, values),
  ];
  const rest = asked.filter((name) => !isScanned(name)).map(said);
  const more = page.limit + 1;
  const scanMax = values.put(rest.length === 0 ? more : (page.scanMax ?? SCAN_MAX), "integer");
  const text = `
    select ${SESSION_COLUMNS}, matches, place = ${scanMax} as is_last_scanned
      from (select *, ${rest.join(" and ") || "true"} as matches,
                   row_number() over (order by created_at desc, id desc) as place
              from (select ${SESSION_COLUMNS} from user_sessions
                     where ${scanned.join(" and ")}
                     order by created_at desc, id desc limit ${scanMax}) as scanned) as judged
     where matches or place = ${scanMax}
     order by created_at desc, id desc limit ${values.put(more, "integer")}`;
  return { text, values: values.all };
}

const afterPlace = (after: Place | null, values: Values): string[] => {
  if (after === null) return [];
  const at = values.put(timeText(after.atMs), "timestamp");
  return [`(created_at, id) < (${at}, ${values.put(after.id, "uuid")})`];
};

/** The rows that match; the next page begins after the last of them, or where the scan ended. */
export function foundPage(found: readonly FoundSession[], limit: number): Page<SessionRow> {
  const items = found.filter(({ matches }) => matches).slice(0, limit);
  const end = found.length > limit ? found[limit - 1] : found.find((row) => row.is_last_scanned);
  const next = end === undefined ? null : { atMs: end.created_at.getTime(), id: end.id };
  return { items, next };
}
