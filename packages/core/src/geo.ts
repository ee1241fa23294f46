import { assert } from "./assert.ts";

/** Shape: decimal degrees, latitude -90..90, longitude -180..180. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** Source: IUGG mean radius of the Earth. */
export const EARTH_RADIUS_KM = 6_371.0088;

const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/**
 * Great-circle distance between two points, ignoring altitude.
 * Shape: decimal degrees, latitude -90..90, longitude -180..180.
 * Returns: kilometres, 0..20,015.2; within 0.6 % of the WGS 84 ellipsoid.
 * Throws: VIG_INVARIANT if a coordinate is out of range; decoders reject those first.
 * Source: haversine formula on the IUGG mean radius.
 */
export function haversineKm(from: Point, to: Point): number {
  assert(isPoint(from) && isPoint(to), "coordinates are in range");
  const sinLat = Math.sin(radians(to.lat - from.lat) / 2);
  const sinLon = Math.sin(radians(to.lon - from.lon) / 2);
  const chord =
    sinLat * sinLat + Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * sinLon * sinLon;
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(chord)));
}

export function isPoint(point: Point): boolean {
  return Math.abs(point.lat) <= 90 && Math.abs(point.lon) <= 180;
}
