import type { Queryable } from "@vigie/service-kit/postgres/database";
import { timeText } from "@vigie/service-kit/postgres/statement";
import { put, unnest } from "@vigie/service-kit/postgres/unnest";
import { type Person, rowOf } from "#person";
import type { GeoEventRow } from "./geo-events.ts";

const columns = unnest({
  tenant_id: "uuid",
  user_id: "uuid",
  id: "uuid",
  event_type: "text",
  occurred_at: "timestamp",
  country: "text",
  region: "text",
  city: "text",
  geohash: "text",
  details: "jsonb",
});
const RECORD = `
  insert into molam_geo_events (${columns.names}) select ${columns.names} from ${columns.from}
  on conflict (tenant_id, id) do nothing`;

/**
 * Puts events on the person's record, each once: another one of an id changes nothing. Places are no finer than the
 * person lets them be kept: whoever calls has cut them. `tx` is a transaction in the person's tenant.
 * Returns: how many are new.
 */
export function recordGeoEvents(
  tx: Queryable,
  person: Person,
  events: readonly GeoEventRow[],
): Promise<number> {
  const { tenantId: tenant_id, userId: user_id } = rowOf(person);
  const rows = events.map(({ type, occurredAtMs, details, ...event }) => ({
    ...event,
    tenant_id,
    user_id,
    event_type: type,
    occurred_at: timeText(occurredAtMs),
    details: JSON.stringify(details),
  }));
  return put(tx, RECORD, columns, rows);
}

/** The same for one. Returns: whether it is new. */
export const recordGeoEvent = async (
  tx: Queryable,
  person: Person,
  event: GeoEventRow,
): Promise<boolean> => (await recordGeoEvents(tx, person, [event])) === 1;

const WITHDRAW = "delete from molam_geo_events where tenant_id = $1 and user_id = $2 and id = $3";

/** Takes back what turned out to be wrong. */
export async function withdrawGeoEvent(tx: Queryable, person: Person, id: string): Promise<void> {
  const { tenantId, userId } = rowOf(person);
  await tx.query(WITHDRAW, [tenantId, userId, id]);
}
