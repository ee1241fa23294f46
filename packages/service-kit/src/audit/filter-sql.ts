import { tenantUuid } from "../ids.ts";
import { timeText, type Values } from "../postgres/statement.ts";
import type { LeafFilter } from "./leaf-filter.ts";

type Name = Exclude<keyof LeafFilter, "tenant">;
/** How a filter is said in SQL: any of these holds. Each can begin an index of the tenant's rows. */
type Ways = readonly string[];

/** A filter as conditions on rows of audit_log. Nothing that came from outside is part of the text. */
export interface SaidFilter {
  /** Of the filter that an index begins with, the rarest one: any of them holds, each found by its own index. */
  readonly ways: Ways;
  /** Part of the order of every index: tenant and time. */
  readonly bounds: readonly string[];
  /** Judged row by row; each is true or false. */
  readonly rest: readonly string[];
}

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

/** Filters that an index of a tenant begins with, the rarest first. */
const leads: readonly Name[] = ["subject", "actor", "action", "impersonation"];
const times: readonly Name[] = ["from", "to"];

/** `meets`, in SQL. Without a tenant no index begins with a filter. */
export function sayFilter({ tenant, ...asked }: LeafFilter, values: Values): SaidFilter {
  const names = (Object.keys(asked) as Name[]).filter((name) => asked[name] !== undefined);
  const said = (name: Name): Ways =>
    (waysOf[name] as (value: unknown, values: Values) => Ways)(asked[name], values);
  const lead = tenant === undefined ? undefined : leads.find((name) => names.includes(name));
  const rest = names.filter((name) => name !== lead && !times.includes(name));
  return {
    ways: lead === undefined ? ["true"] : said(lead),
    bounds: [
      ...(tenant === undefined ? [] : [`tenant_id = ${values.put(tenantUuid(tenant), "uuid")}`]),
      ...names.filter((name) => times.includes(name)).flatMap(said),
    ],
    rest: rest.map((name) => anyOf(said(name))),
  };
}

/** A comparison with null is no match. */
const anyOf = (ways: Ways): string => `(${ways.map((way) => `(${way}) is true`).join(" or ")})`;
