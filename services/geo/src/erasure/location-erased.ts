import { randomUUID } from "node:crypto";
import type { Queryable } from "@vigie/service-kit/postgres/database";
import { timeText } from "@vigie/service-kit/postgres/statement";
import { type GeoEventRow, noPlace } from "#geo-events/geo-events";
import { recordGeoEvent } from "#geo-events/record";
import { type Person, rowOf } from "#person";
import { CLOCKS_APART_MS } from "./follow-erasures.ts";

/** Of both: `tx` is a transaction in the person's tenant that has locked their places. */

export const recordLocationErased = (tx: Queryable, person: Person, atMs: number) =>
  recordGeoEvent(tx, person, {
    ...noPlace,
    id: randomUUID(),
    type: "location_erased",
    occurredAtMs: atMs,
    details: {},
  });

/** Its record goes with its age, as does what would be asked about: that is older. */
const ERASED_SINCE = `
  select 1 from molam_geo_events
   where tenant_id = $1 and user_id = $2 and event_type = 'location_erased' and occurred_at >= $3
   limit 1`;

/** What comes late tells no place of before the person erased where they were. */
export async function withoutErasedPlace(
  tx: Queryable,
  person: Person,
  event: GeoEventRow,
): Promise<GeoEventRow> {
  const { tenantId, userId } = rowOf(person);
  const since = timeText(event.occurredAtMs - CLOCKS_APART_MS);
  const { count } = await tx.query(ERASED_SINCE, [tenantId, userId, since]);
  return count === 0 ? event : { ...event, ...noPlace, details: {} };
}
