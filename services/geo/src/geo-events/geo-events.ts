import type { PlaceNames } from "#geo-context/geo-context";

/** Source: GEO-24, GEO-25; the last one CNF-26. */
export const geoEventTypes = [
  "location_captured",
  "country_mismatch",
  "vpn_detected",
  "impossible_travel",
  "ussd_routed",
  "currency_switched",
  "timezone_updated",
  "location_erased",
] as const;
export type GeoEventType = (typeof geoEventTypes)[number];

/** Facts of an event, such as `from` and `to`: no address, no coordinate, nothing finer than a town. */
export type GeoEventDetails = Readonly<Record<string, string | number | readonly string[] | null>>;

/** What is put on a person's own record of their places (GEO-09). */
export interface GeoEventRow extends PlaceNames {
  /** UUID. */
  readonly id: string;
  readonly type: GeoEventType;
  readonly occurredAtMs: number;
  readonly details: GeoEventDetails;
}

export const noPlace: PlaceNames = { country: null, region: null, city: null, geohash: null };
