import type { Queryable } from "@vigie/service-kit/postgres/database";
import { timeText } from "@vigie/service-kit/postgres/statement";
import { type Person, rowOf } from "#person";
import type { GeoEventRow } from "./geo-events.ts";

const RECORD = `
  insert into molam_geo_events (tenant_id, user_id, id, event_type, occurred_at, country, region,
    city, geohash, details)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
  on conflict (tenant_id, id) do nothing`;

/**
 * Puts an event on the person's record, once: another one of the same id changes nothing. The place is no finer than
 * the person lets it be kept: whoever calls has cut it. `tx` is a transaction in the person's tenant.
 * Returns: whether it is new.
 */
export async function recordGeoEvent(
  tx: Queryable,
  person: Person,
  event: GeoEventRow,
): Promise<boolean> {
  const { tenantId, userId } = rowOf(person);
  const { count } = await tx.query(RECORD, [
    tenantId,
    userId,
    event.id,
    event.type,
    timeText(event.occurredAtMs),
    event.country,
    event.region,
    event.city,
    event.geohash,
    JSON.stringify(event.details),
  ]);
  return count === 1;
}

export async function recordGeoEvents(
  tx: Queryable,
  person: Person,
  events: readonly GeoEventRow[],
): Promise<void> {
  for (const event of events) await recordGeoEvent(tx, person, event);
}

const WITHDRAW = "delete from molam_geo_events where tenant_id = $1 and user_id = $2 and id = $3";

/** Takes back what turned out to be wrong. */
export async function withdrawGeoEvent(tx: Queryable, person: Person, id: string): Promise<void> {
  const { tenantId, userId } = rowOf(person);
  await tx.query(WITHDRAW, [tenantId, userId, id]);
}
