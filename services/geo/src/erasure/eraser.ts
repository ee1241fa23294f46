import type { Queryable } from "@vigie/service-kit/postgres/database";
import { enqueue } from "@vigie/service-kit/postgres/outbox";
import { timeText } from "@vigie/service-kit/postgres/statement";
import type { PersonCache } from "#geo-context/person-cache";
import { lockPlaces } from "#geo-context/postgres-book";
import { keyOf, type Person, rowOf } from "#person";
import { recordLocationErased } from "./location-erased.ts";

/** How each kind of what is held goes. $1 tenant and $2 user as rows have them, $3 up to when. */
type Statements<K extends string> = Readonly<Record<K, string>>;
type Counts<K extends string> = Record<K, number>;

const held = (table: string, time = "'-infinity'::timestamptz"): string =>
  `delete from ${table} where tenant_id = $1 and user_id = $2 and ${time} <= $3`;

const ofNow = {
  preferences: held("molam_user_geo_prefs", "updated_at"),
  lastContext: held("molam_geo_last_context", "captured_at"),
  gpsPositions: held("molam_gps_ephemeral", "stored_at"),
};
/** That something happened stays on a person's own record; where, and what told of it, is gone. */
const location = {
  ...ofNow,
  placesOfEvents: `
    update molam_geo_events
       set country = null, region = null, city = null, geohash = null, details = '{}'
     where tenant_id = $1 and user_id = $2 and occurred_at <= $3
       and (coalesce(country, region, city, geohash) is not null or details <> '{}')`,
};
const subject = {
  ...ofNow,
  events: held("molam_geo_events", "occurred_at"),
  // Theirs by the link, so it goes first.
  ussdSimChanges: `
    delete from ussd_sim_changes
     where tenant_id = $1 and phone_hash in (
       select phone_hash from ussd_links
        where tenant_id = $1 and user_id = $2 and linked_at <= $3)`,
  ussdLinks: held("ussd_links", "linked_at"),
  ussdPins: held("ussd_pins", "set_at"),
  ussdResetCodes: held("ussd_reset_codes"),
};

/** What waits to be published. */
const UNPUBLISHED =
  "delete from outbox where topic = 'id.geo.prefs' and key = $1 and enqueued_at <= $2";
const CHOSEN_SINCE = "select 1 from molam_user_geo_prefs where tenant_id = $1 and user_id = $2";

/** What is gone of where somebody was, in rows; `unpublished`: records that had not left yet. */
export type LocationErased = Counts<keyof typeof location | "unpublished">;

/** Of both: `tx` is a transaction in the person's tenant. Throws: VIG_DATABASE_AWAY, VIG_REDIS_AWAY. */
export interface Eraser {
  /** CNF-26, PRV-10: all that is held of where somebody was and what they chose; their record says that it is gone. */
  location(tx: Queryable, person: Person, atMs: number): Promise<LocationErased>;
  /** PRV-14: everything that is held of a person, up to a time. */
  subject(tx: Queryable, person: Person, untilMs: number): Promise<unknown>;
}

/** Everybody is told by a tombstone that the defaults count for the person again, unless they have chosen since. */
export function createEraser(cache: Pick<PersonCache<unknown>, "forget">): Eraser {
  const erase = async <K extends string>(
    tx: Queryable,
    person: Person,
    statements: Statements<K>,
    until: string,
  ) => {
    const { tenantId, userId } = rowOf(person);
    const key = keyOf(person);
    // What others write of the person is there before the erasure, or knows of it.
    await lockPlaces(tx, person);
    const counts: Partial<Counts<string>> = {};
    for (const [what, text] of Object.entries<string>(statements)) {
      counts[what] = (await tx.query(text, [tenantId, userId, until])).count;
    }
    counts.unpublished = (await tx.query(UNPUBLISHED, [key, until])).count;
    const chosenSince = await tx.query(CHOSEN_SINCE, [tenantId, userId]);
    if (chosenSince.count === 0) await enqueue(tx, { topic: "id.geo.prefs", key, value: null });
    await cache.forget(person);
    return counts as Counts<K | "unpublished">;
  };
  return {
    async location(tx, person, atMs) {
      const erased = await erase(tx, person, location, "infinity");
      await recordLocationErased(tx, person, atMs);
      return erased;
    },
    subject: (tx, person, untilMs) => erase(tx, person, subject, timeText(untilMs)),
  };
}
