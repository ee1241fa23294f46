import type { Point } from "@vigie/core/geo";
import { geohashAt, geohashCell } from "@vigie/core/geohash";
import { countriesOfMcc } from "@vigie/core/mcc";
import type { GeoEvent as GeoRecord } from "@vigie/schemas/types";
import type { GeoEventDetails, GeoEventRow, GeoEventType } from "#geo-events/geo-events";
import type { Position } from "#gps/position";
import {
  type CountriesServed,
  effectivePrefs,
  lengthOf,
  type Prefs,
  switchesOf,
} from "#prefs/prefs";
import { type ContextSource, cutContext, type GeoContext } from "./geo-context.ts";
import type { Change, Held } from "./place-book.ts";
import type { LocatedPosition } from "./places.ts";

export interface SimSeen {
  readonly mcc: number;
  readonly mnc: number | null;
  readonly carrier: string | null;
}

/** What the caller's address tells. */
export interface AddressSeen {
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  readonly timezone: string | null;
  readonly organisation: string | null;
  readonly asn: number | null;
  readonly isVpn: boolean;
  /** An address of phones, as far as the matrix knows. */
  readonly isMobile: boolean;
}

/** One capture as it came in. */
export interface Sighting {
  readonly atMs: number;
  readonly point: Point | null;
  /** Metres; null: the device did not say. */
  readonly accuracyM: number | null;
  readonly sim: SimSeen | null;
  readonly address: AddressSeen;
}

export interface Atlas {
  locate(point: Point): LocatedPosition;
  countryOf: CountriesServed;
  /** A fresh UUID. */
  newId(): string;
}

/** What of a position others may know: its cell. */
export interface PublishedCell {
  readonly geohash: string;
  readonly centre: Point;
  /** At least the radius of the cell, in metres. */
  readonly radiusM: number;
}

export interface Captured extends Change {
  readonly context: GeoContext;
  /** Null: no position was given, or it may not be used. */
  readonly cell: PublishedCell | null;
  /** Whether the position was taken; "refused": without opt-in it was neither looked at nor kept (PRV-06). */
  readonly gps: "used" | "refused" | "absent";
}

/** Source: ANO-11, ANO-12. */
const riskScores = { vpn_detected: 30, country_mismatch: 50 } as const;

/**
 * What a capture means for a person: their context and events, no finer than they consent to; the position goes to the
 * vault only, and only with their opt-in. Preferences that follow the country are told of when they change (GEO-22).
 */
export function capture({ prefs, context }: Held, sighting: Sighting, atlas: Atlas): Captured {
  const point = prefs.gpsOptIn ? sighting.point : null;
  const cell = point === null ? null : cellOf(point, sighting.accuracyM, prefs);
  const now = contextOf(sighting, point === null ? null : atlas.locate(point), cell, prefs);
  const event = (type: GeoEventType, details: GeoEventDetails): GeoEventRow => {
    const { country, region, city, geohash } = now;
    const place = { country, region, city, geohash };
    return { id: atlas.newId(), type, occurredAtMs: sighting.atMs, ...place, details };
  };
  const before = effectivePrefs(prefs, context, atlas.countryOf);
  const after = effectivePrefs(prefs, now, atlas.countryOf);
  return {
    context: now,
    cell,
    gps: sighting.point === null ? "absent" : point === null ? "refused" : "used",
    events: [
      event("location_captured", { source: now.source }),
      ...fraudsOf(sighting).map(({ type, details }) => event(type, details)),
      ...switchesOf(before, after).map(({ type, from, to }) => event(type, { from, to })),
    ],
    ...(point !== null && { position: positionOf(point, sighting) }),
  };
}

const positionOf = (point: Point, { accuracyM, atMs }: Sighting): Position => ({
  lat: point.lat,
  lon: point.lon,
  accuracyM,
  capturedAtMs: atMs,
});

function cellOf(point: Point, accuracyM: number | null, prefs: Prefs): PublishedCell {
  const geohash = geohashAt(point, lengthOf(prefs));
  const { centre, radiusKm } = geohashCell(geohash);
  return { geohash, centre, radiusM: Math.max(Math.ceil(radiusKm * 1_000), accuracyM ?? 0) };
}

/** The best that there is: the position, else the SIM's country, else the address (GEO-14 for the latter two). */
function contextOf(
  { atMs, sim, address }: Sighting,
  located: LocatedPosition | null,
  cell: PublishedCell | null,
  prefs: Prefs,
): GeoContext {
  const simCountry = sim === null ? null : countryOfSim(sim, address.country);
  const source: ContextSource =
    located?.country != null ? "gps" : simCountry !== null ? "sim" : sourceOf(address);
  const { country, region, city, timezone } =
    source === "gps" && located !== null ? located : inCountry(simCountry, address);
  const whole: GeoContext = {
    source,
    country,
    region,
    city,
    geohash: cell?.geohash ?? null,
    timezone,
    isVpn: address.isVpn,
    isMobile: sim !== null || address.isMobile,
    carrier: sim?.carrier ?? null,
    capturedAtMs: atMs,
  };
  return cutContext(whole, lengthOf(prefs));
}

const sourceOf = ({ country }: AddressSeen): ContextSource => (country === null ? "unknown" : "ip");

/** Of the countries that share a code, the address's if it is one of them, else the first. */
function countryOfSim({ mcc }: SimSeen, addressCountry: string | null): string | null {
  const countries = countriesOfMcc(mcc);
  if (addressCountry !== null && countries.includes(addressCountry)) return addressCountry;
  return countries[0] ?? null;
}

/** What the address says, as far as it is in the SIM's country; a SIM alone tells no town. */
function inCountry(country: string | null, address: AddressSeen): LocatedOrNot {
  if (country === null || country === address.country) return address;
  return { country, region: null, city: null, timezone: null };
}

type LocatedOrNot = Pick<AddressSeen, "country" | "region" | "city" | "timezone">;

interface Fraud {
  readonly type: keyof typeof riskScores;
  readonly details: GeoEventDetails;
}

/** ANO-05: what an address or a SIM alone can tell; journeys are the detector's. */
function fraudsOf({ sim, address }: Sighting): readonly Fraud[] {
  const frauds: Fraud[] = [];
  const simCountries = sim === null ? [] : countriesOfMcc(sim.mcc);
  const { country: ipCountry, organisation, asn, isVpn } = address;
  if (ipCountry !== null && simCountries.length > 0 && !simCountries.includes(ipCountry)) {
    const details = { simCountries, ipCountry, riskScore: riskScores.country_mismatch };
    frauds.push({ type: "country_mismatch", details });
  }
  if (isVpn) {
    const details = { organisation, asn, riskScore: riskScores.vpn_detected };
    frauds.push({ type: "vpn_detected", details });
  }
  return frauds;
}

/** Whose capture it is, and from where it came. */
export interface CaptureOrigin {
  readonly tenantId: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly ip: string | null;
  readonly userAgent: string | null;
  readonly eventId: string;
}

/**
 * The record for id.geo: of a position the centre and radius of its cell, never the position. Without one the detector
 * looks the address up itself.
 */
export function geoRecord(
  { context, cell }: Captured,
  { atMs, sim }: Sighting,
  origin: CaptureOrigin,
): GeoRecord {
  const { ip, userAgent } = origin;
  return {
    event_id: origin.eventId,
    tenant_id: origin.tenantId,
    user_id: origin.userId,
    occurred_at: atMs,
    session_id: origin.sessionId,
    // A phone may carry a browser: of the session's channel a place says nothing.
    channel: "UNKNOWN",
    network: { ip, user_agent: userAgent },
    device: null,
    location: cell && {
      source: "GPS",
      lat: cell.centre.lat,
      lon: cell.centre.lon,
      accuracy_m: cell.radiusM,
      country: context.source === "gps" ? context.country : null,
      city: context.source === "gps" ? context.city : null,
    },
    sim: sim && { mcc: sim.mcc, mnc: sim.mnc, carrier: sim.carrier },
    geohash: cell?.geohash ?? null,
    source: "geo",
  };
}
