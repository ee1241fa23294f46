import type { LeafFilter } from "@vigie/service-kit/audit/leaf-filter";
import type { LeafRow } from "@vigie/service-kit/audit/leaves";
import { tenantUuid } from "@vigie/service-kit/ids";
import { type Statement, timeText, Values } from "../inventory/statement.ts";
import type { PageWanted } from "./audit-log.ts";

/**
 * Rows that one page may look at. A search for what hardly any entry has would otherwise read the whole log; so its
 * page may be short, even empty, and still have a next one. Source: docs/query-plans.md.
 */
export const SCAN_MAX = 2_000;

/** A row of the search; `matches` is false for one that only tells where the scan ended. */
export interface FoundRow extends LeafRow {
  readonly next_index: number;
  /** Null: nothing was found, and the row only tells how far the tables are. */
  readonly found_index: number | null;
  readonly occurred_at: Date;
  readonly matches: boolean;
  readonly is_last_scanned: boolean;
  /** False: the leaf is gone. */
  readonly has_leaf: boolean;
}

export interface FindPage extends PageWanted {
  /** Default: SCAN_MAX. */
  readonly scanMax?: number;
}

type Name = Exclude<keyof LeafFilter, "tenant">;
/** How a filter is said in SQL: any of these holds. Each can begin an index of the tenant's rows. */
type Ways = readonly string[];

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const waysOf: {
  readonly [N in Name]: (value: NonNullable<LeafFilter[N]>, values: Values) => Ways;
} = {
  subject: (ref, values) => {
    const at = values.put(ref, "uuid");
    return [`subject_ref = ${at}`, `impersonated_ref = ${at}`];
  },
  actor: (actor, values) => {
    const byId = `actor_id = ${values.put(actor, "text")}`;
    if (!UUID.test(actor)) return [byId];
    const at = values.put(actor, "uuid");
    return [byId, `actor_ref = ${at}`, `impersonator_ref = ${at}`];
  },
  action: (action, values) => [`action = ${values.put(action, "text")}`],
  impersonation: (is, values) => [`is_impersonation = ${values.put(is, "boolean")}`],
  from: (ms, values) => [`occurred_at >= ${values.put(timeText(ms), "timestamp")}`],
  to: (ms, values) => [`occurred_at < ${values.put(timeText(ms), "timestamp")}`],
};

/** Filters that an index of a tenant begins with, the rarest first: the first one given chooses what is scanned. */
const leads: readonly Name[] = ["subject", "actor", "action", "impersonation"];
/** Part of the order of every index, so they never make a scan longer. */
const bounds: readonly Name[] = ["from", "to"];

/** One page of the audit, newest first. Nothing that came from outside is part of the text. */
export function findStatement(filter: LeafFilter, page: FindPage): Statement {
  const { tenant, ...asked } = filter;
  const values = new Values();
  const names = (Object.keys(asked) as Name[]).filter((name) => asked[name] !== undefined);
  const said = (name: Name): Ways =>
    (waysOf[name] as (value: unknown, values: Values) => Ways)(asked[name], values);
  const lead = tenant === undefined ? undefined : leads.find((name) => names.includes(name));
  const isScanned = (name: Name): boolean => name === lead || bounds.includes(name);
  const rest = names.filter((name) => !isScanned(name)).map((name) => anyOf(said(name)));
  const more = page.limit + 1;
  const scanMax = values.put(rest.length === 0 ? more : (page.scanMax ?? SCAN_MAX), "integer");
  const common = [
    ...(tenant === undefined ? [] : [`tenant_id = ${values.put(tenantUuid(tenant), "uuid")}`]),
    ...names.filter((name) => bounds.includes(name)).flatMap(said),
    ...afterPlace(page.after, values),
  ];
  const ways = lead === undefined ? ["true"] : said(lead);
  const scans = ways.map((way) => scan([way, ...common], scanMax));
  return {
    text: textOf({ scans, rest, scanMax, more: values.put(more, "integer") }),
    values: values.all,
  };
}

/** A comparison with null is no match. */
const anyOf = (ways: Ways): string => `(${ways.map((way) => `(${way}) is true`).join(" or ")})`;

/** A part of the scan that one index gives in order. */
const scan = (conditions: Ways, scanMax: string): string => `
  (select index, occurred_at, action, actor_id, actor_ref, impersonator_ref, subject_ref,
          impersonated_ref, is_impersonation
     from audit_log where ${conditions.join(" and ")}
    order by occurred_at desc, index desc limit ${scanMax})`;

interface Parts {
  readonly scans: readonly string[];
  readonly rest: readonly string[];
  readonly scanMax: string;
  readonly more: string;
}

/** What several parts of the scan give is one entry; one row is there at least, that tells how far the tables are. */
const textOf = ({ scans, rest, scanMax, more }: Parts): string => `
  select next_index, found.index as found_index, found.occurred_at, found.matches,
         found.place = ${scanMax} as is_last_scanned, leaves.index is not null as has_leaf,
         leaves.index, leaves.leaf, leaves.signature, leaves.key_id
    from audit_projection
    left join (
      select * from (
        select *, ${rest.join(" and ") || "true"} as matches,
               row_number() over (order by occurred_at desc, index desc) as place
          from (select * from (${scans.join("\n  union ")}) as ways
                order by occurred_at desc, index desc limit ${scanMax}) as scanned) as judged
       where matches or place = ${scanMax}
       order by occurred_at desc, index desc limit ${more}) as found on true
    left join audit_leaves as leaves on leaves.index = found.index
   order by found.place`;

function afterPlace(after: PageWanted["after"], values: Values): readonly string[] {
  if (after === null) return [];
  const at = values.put(timeText(after.atMs), "timestamp");
  return [`(occurred_at, index) < (${at}, ${values.put(after.index, "bigint")})`];
}
