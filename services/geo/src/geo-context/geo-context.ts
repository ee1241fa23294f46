import { type GeohashLength, geohashLengths } from "@vigie/core/geohash";

export const contextSources = ["gps", "sim", "ip", "unknown"] as const;
/** What a context was taken from: the best that there was. */
export type ContextSource = (typeof contextSources)[number];

/** Where somebody was, no finer than they let it be kept. Source: GEO-21. */
export interface GeoContext {
  readonly source: ContextSource;
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null;
  readonly region: string | null;
  readonly city: string | null;
  /** Of a position only. */
  readonly geohash: string | null;
  /** IANA time zone, from the level region. */
  readonly timezone: string | null;
  readonly isVpn: boolean;
  readonly isMobile: boolean;
  readonly carrier: string | null;
  readonly capturedAtMs: number;
}

/** The members that tell of a place. */
export type PlaceNames = Pick<GeoContext, "country" | "region" | "city" | "geohash">;

/**
 * A place no finer than `length` characters of geohash: its town only from the level city, its region from the level
 * region (PRV-07).
 */
export function cutPlace<P extends PlaceNames>(place: P, length: GeohashLength): P {
  return {
    ...place,
    region: length < geohashLengths.region ? null : place.region,
    city: length < geohashLengths.city ? null : place.city,
    geohash: place.geohash?.slice(0, length) ?? null,
  };
}

/** The same of a context: of a country that has several, the time zone tells a region. */
export const cutContext = (context: GeoContext, length: GeohashLength): GeoContext => ({
  ...cutPlace(context, length),
  timezone: length < geohashLengths.region ? null : context.timezone,
});

/** What of a person's choice places are cut by. */
export interface PlaceConsent {
  readonly gpsOptIn: boolean;
  readonly length: GeohashLength;
}

/** PRV-06: of a place that came from a position, which alone has a geohash, no more than the country without opt-in. */
const allowedOf = ({ geohash }: PlaceNames, { gpsOptIn, length }: PlaceConsent): GeohashLength =>
  gpsOptIn || geohash === null ? length : geohashLengths.country;

const withoutCell = <P extends PlaceNames>(place: P, { gpsOptIn }: PlaceConsent): P =>
  gpsOptIn ? place : { ...place, geohash: null };

/** What stays of a place that is kept when its person has chosen anew. */
export const narrowedPlace = <P extends PlaceNames>(place: P, consent: PlaceConsent): P =>
  withoutCell(cutPlace(place, allowedOf(place, consent)), consent);

/** The same of a context. */
export const narrowedContext = (context: GeoContext, consent: PlaceConsent): GeoContext =>
  withoutCell(cutContext(context, allowedOf(context, consent)), consent);
