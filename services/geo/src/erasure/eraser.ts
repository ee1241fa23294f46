import type { Queryable } from "@vigie/service-kit/postgres/database";
import { enqueue } from "@vigie/service-kit/postgres/outbox";
import { timeText } from "@vigie/service-kit/postgres/statement";
import { keyOf, type Person, rowOf } from "../person.ts";

/** What has been erased, in numbers of rows or records. */
export type Erased = Readonly<Record<string, number>>;

/** How one kind of what is held goes. $1 tenant and $2 user as rows have them, $3 up to when. */
type Statements = Readonly<Record<string, string>>;

/** What is waiting to be published of where somebody was. */
const TOPICS = ["id.geo", "id.geo.prefs"] as const;
const UNPUBLISHED = "delete from outbox where key = $1 and topic = any($2::text[])";

const held = (table: string, time: string): string =>
  `delete from ${table} where tenant_id = $1 and user_id = $2 and ${time} <= $3`;

const places: Statements = {
  preferences: held("molam_user_geo_prefs", "updated_at"),
  last_context: held("molam_geo_last_context", "captured_at"),
  gps_positions: held("molam_gps_ephemeral", "stored_at"),
};

/** CNF-26, PRV-10: the person stays, and so does that something happened; where is gone. */
export const locationStatements: Statements = {
  ...places,
  places_of_events: `
    update molam_geo_events
       set country = null, region = null, city = null, geohash = null, details = '{}'
     where tenant_id = $1 and user_id = $2 and occurred_at <= $3
       and (coalesce(country, region, city, geohash) is not null or details <> '{}')`,
};

/** PRV-14: nothing of the person stays. */
export const subjectStatements: Statements = {
  ...places,
  events: held("molam_geo_events", "occurred_at"),
};

/** PostgreSQL's last day: whatever time a row says. */
const ALWAYS = "infinity";

/**
 * Erases what is held of a person, up to a time or all, and tells everybody by a tombstone that the defaults count for
 * them. `tx` is a transaction in the person's tenant.
 */
export async function erase(
  tx: Queryable,
  person: Person,
  statements: Statements,
  untilMs: number | null = null,
): Promise<Erased> {
  const { tenantId, userId } = rowOf(person);
  const values = [tenantId, userId, untilMs === null ? ALWAYS : timeText(untilMs)];
  const erased: Record<string, number> = {};
  for (const [what, text] of Object.entries(statements)) {
    erased[what] = (await tx.query(text, values)).count;
  }
  const key = keyOf(person);
  erased.unpublished = (await tx.query(UNPUBLISHED, [key, TOPICS])).count;
  await enqueue(tx, { topic: "id.geo.prefs", key, value: null });
  return erased;
}
