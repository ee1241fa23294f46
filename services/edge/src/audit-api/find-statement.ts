import { sayFilter } from "@vigie/service-kit/audit/filter-sql";
import type { LeafFilter } from "@vigie/service-kit/audit/leaf-filter";
import type { LeafRow } from "@vigie/service-kit/audit/leaves";
import { type Statement, timeText, Values } from "@vigie/service-kit/postgres/statement";
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

/** One page of the audit, newest first. Nothing that came from outside is part of the text. */
export function findStatement(filter: LeafFilter, page: FindPage): Statement {
  const values = new Values();
  const { ways, bounds, rest } = sayFilter(filter, values);
  const more = page.limit + 1;
  const scanMax = values.put(rest.length === 0 ? more : (page.scanMax ?? SCAN_MAX), "integer");
  const common = [...bounds, ...afterPlace(page.after, values)];
  const scans = ways.map((way) => scan([way, ...common], scanMax));
  return {
    text: textOf({ scans, rest, scanMax, more: values.put(more, "integer") }),
    values: values.all,
  };
}

/** A part of the scan that one index gives in order. */
const scan = (conditions: readonly string[], scanMax: string): string => `
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
