import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { geohashLengths, type PrecisionLevel } from "@vigie/core/geohash";
import { pageOf } from "@vigie/service-kit/keyset";
import type { Database, Queryable } from "@vigie/service-kit/postgres/database";
import { lockName } from "@vigie/service-kit/postgres/locks";
import { enqueue } from "@vigie/service-kit/postgres/outbox";
import { timeText } from "@vigie/service-kit/postgres/statement";
import { isErased } from "#erasure/follow-erasures";
import type { GeoEventRow } from "#geo-events/geo-events";
import { recordGeoEvents } from "#geo-events/record";
import type { GpsVault } from "#gps/vault";
import { keyOf, type Person, rowOf } from "#person";
import { defaultPrefs, lengthOf, levelOf, type Prefs } from "#prefs/prefs";
import type { ContextSource, GeoContext } from "./geo-context.ts";
import type { PersonCache } from "./person-cache.ts";
import type { Change, Held, PlaceBook } from "./place-book.ts";

export interface PostgresBookParts {
  readonly database: Database;
  readonly cache: PersonCache<Held>;
  readonly vault: GpsVault;
}

/** The book in PostgreSQL; what is read of a person is remembered in Redis. */
export function postgresBook({ database, cache, vault }: PostgresBookParts): PlaceBook {
  return {
    read: (person) =>
      cache.read(person, () => database.inTenant(person.tenantId, (tx) => heldOf(tx, person))),
    change: (person, decide) =>
      database.inTenant(person.tenantId, async (tx) => {
        await lockPlaces(tx, person);
        const change = decide(await heldOf(tx, person));
        await refuseErased(tx, person, change);
        await write(tx, person, change, vault);
        await cache.forget(person);
        return change;
      }),
    events: (person, { after, limit, type }) =>
      database.inTenant(person.tenantId, async (tx) => {
        const { tenantId, userId } = rowOf(person);
        const before = after === null ? null : timeText(after.atMs);
        const values = [tenantId, userId, type, before, after?.id ?? null, limit + 1];
        const { rows } = await tx.query<EventRow>(EVENTS, values);
        const found = rows.map(eventOf);
        return pageOf(found, limit, ({ occurredAtMs, id }) => ({ atMs: occurredAtMs, id }));
      }),
  };
}

/** PRV-14: what came in before an erasure, and waited meanwhile, leaves nothing; its session has ended with it. */
async function refuseErased(tx: Queryable, person: Person, { context }: Change): Promise<void> {
  if (context === undefined || !(await isErased(tx, person, context.capturedAtMs))) return;
  throw new VigError("VIG_SESSION_ENDED");
}

/** Until the commit nobody else changes, or erases, what is kept of this person's places. */
export const lockPlaces = (tx: Queryable, person: Person): Promise<void> =>
  lockName(tx, "places", keyOf(person));

/** Both in one question; what there is no row of is null. */
const HELD = `
  select gps_opt_in, precision_level, preferred_country, preferred_currency, preferred_locale,
         preferred_timezone, home_country,
         source, country, region, city, geohash, timezone, is_vpn, is_mobile, carrier, captured_at
    from (select $1::uuid as tenant_id, $2::uuid as user_id) as person
    left join molam_user_geo_prefs using (tenant_id, user_id)
    left join molam_geo_last_context using (tenant_id, user_id)`;

interface PrefsRow {
  readonly gps_opt_in: boolean;
  readonly precision_level: number;
  readonly preferred_country: string | null;
  readonly preferred_currency: string | null;
  readonly preferred_locale: string | null;
  readonly preferred_timezone: string | null;
  readonly home_country: string | null;
}

interface ContextRow {
  readonly source: ContextSource;
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  readonly geohash: string | null;
  readonly timezone: string | null;
  readonly is_vpn: boolean;
  readonly is_mobile: boolean;
  readonly carrier: string | null;
  readonly captured_at: Date;
}

type HeldRow = (PrefsRow | { readonly gps_opt_in: null }) &
  (ContextRow | { readonly source: null });

async function heldOf(tx: Queryable, person: Person): Promise<Held> {
  const { tenantId, userId } = rowOf(person);
  const { rows } = await tx.query<HeldRow>(HELD, [tenantId, userId]);
  const [row] = rows;
  assert(row !== undefined, "a person is one row");
  return {
    prefs: row.gps_opt_in === null ? defaultPrefs : prefsOf(row),
    context: row.source === null ? null : contextOf(row),
  };
}

const prefsOf = (row: PrefsRow): Prefs => ({
  gpsOptIn: row.gps_opt_in,
  precisionLevel: levelOf(row.precision_level),
  preferredCountry: row.preferred_country,
  preferredCurrency: row.preferred_currency,
  preferredLocale: row.preferred_locale,
  preferredTimezone: row.preferred_timezone,
  homeCountry: row.home_country,
});

const contextOf = (row: ContextRow): GeoContext => ({
  source: row.source,
  country: row.country,
  region: row.region,
  city: row.city,
  geohash: row.geohash,
  timezone: row.timezone,
  isVpn: row.is_vpn,
  isMobile: row.is_mobile,
  carrier: row.carrier,
  capturedAtMs: row.captured_at.getTime(),
});

const PUT_PREFS = `
  insert into molam_user_geo_prefs (tenant_id, user_id, gps_opt_in, precision_level,
    preferred_country, preferred_currency, preferred_locale, preferred_timezone, home_country,
    updated_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now())
  on conflict (tenant_id, user_id) do update set
    gps_opt_in = excluded.gps_opt_in, precision_level = excluded.precision_level,
    preferred_country = excluded.preferred_country,
    preferred_currency = excluded.preferred_currency,
    preferred_locale = excluded.preferred_locale,
    preferred_timezone = excluded.preferred_timezone, home_country = excluded.home_country,
    updated_at = excluded.updated_at`;
const PUT_CONTEXT = `
  insert into molam_geo_last_context (tenant_id, user_id, source, country, region, city, geohash,
    timezone, is_vpn, is_mobile, carrier, captured_at)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
  on conflict (tenant_id, user_id) do update set
    source = excluded.source, country = excluded.country, region = excluded.region,
    city = excluded.city, geohash = excluded.geohash, timezone = excluded.timezone,
    is_vpn = excluded.is_vpn, is_mobile = excluded.is_mobile, carrier = excluded.carrier,
    captured_at = excluded.captured_at`;
/** As `narrowedContext` and `narrowedPlace` do; only rows that hold more than is allowed. */
const cut = (table: string, names: Readonly<Record<string, PrecisionLevel>>): string => {
  const length = `(case when $4 or geohash is null then $3 else ${geohashLengths.country} end)`;
  const kept = Object.entries(names).map(
    ([name, level]) => [name, `${length} >= ${geohashLengths[level]}`] as const,
  );
  return `
  update ${table} set
    ${kept.map(([name, allowed]) => `${name} = case when ${allowed} then ${name} end`)},
    geohash = case when $4 then left(geohash, $3) end
   where tenant_id = $1 and user_id = $2
     and (length(geohash) > (case when $4 then $3 else 0 end)
          ${kept.map(([name, allowed]) => `or (${name} is not null and not ${allowed})`).join(" ")})`;
};
const CUTS = [
  cut("molam_geo_last_context", { region: "region", timezone: "region", city: "city" }),
  cut("molam_geo_events", { region: "region", city: "city" }),
];

async function write(
  tx: Queryable,
  person: Person,
  { prefs, context, events, position, record }: Change,
  vault: GpsVault,
): Promise<void> {
  if (prefs !== undefined) await writePrefs(tx, person, prefs, vault);
  if (context !== undefined) await writeContext(tx, person, context);
  await recordGeoEvents(tx, person, events);
  if (position !== undefined) await vault.put(tx, person, position);
  if (record !== undefined) await enqueue(tx, record);
}

async function writePrefs(
  tx: Queryable,
  person: Person,
  prefs: Prefs,
  vault: GpsVault,
): Promise<void> {
  const { tenantId, userId } = rowOf(person);
  await tx.query(PUT_PREFS, [
    tenantId,
    userId,
    prefs.gpsOptIn,
    lengthOf(prefs),
    prefs.preferredCountry,
    prefs.preferredCurrency,
    prefs.preferredLocale,
    prefs.preferredTimezone,
    prefs.homeCountry,
  ]);
  for (const each of CUTS) {
    await tx.query(each, [tenantId, userId, lengthOf(prefs), prefs.gpsOptIn]);
  }
  if (!prefs.gpsOptIn) await vault.eraseUser(tx, person);
}

async function writeContext(tx: Queryable, person: Person, context: GeoContext): Promise<void> {
  const { tenantId, userId } = rowOf(person);
  await tx.query(PUT_CONTEXT, [
    tenantId,
    userId,
    context.source,
    context.country,
    context.region,
    context.city,
    context.geohash,
    context.timezone,
    context.isVpn,
    context.isMobile,
    context.carrier,
    timeText(context.capturedAtMs),
  ]);
}

const EVENTS = `
  select id, event_type, occurred_at, country, region, city, geohash, details
    from molam_geo_events
   where tenant_id = $1 and user_id = $2 and ($3::text is null or event_type = $3)
     and ($4::timestamp is null or (occurred_at, id) < ($4::timestamp, $5::uuid))
   order by occurred_at desc, id desc limit $6`;

interface EventRow extends Omit<GeoEventRow, "type" | "occurredAtMs"> {
  readonly event_type: GeoEventRow["type"];
  readonly occurred_at: Date;
}

const eventOf = ({ event_type: type, occurred_at, ...rest }: EventRow): GeoEventRow => ({
  ...rest,
  type,
  occurredAtMs: occurred_at.getTime(),
});
