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

/**
 * A geohash-5 cell as a number: 13 bits of longitude above 12 bits of latitude, the same cells as the text form's.
 * Positions are kept no finer than this (REQUIREMENTS GEO-19: 5 is the default precision).
 */
export type GeoCell = number;

const CELL_LAT_STEPS = 4_096; // 12 bits
const CELL_LON_STEPS = 8_192; // 13 bits
export const CELL_LIMIT = CELL_LAT_STEPS * CELL_LON_STEPS;

/** Half the diagonal of a cell at the equator, its largest: no point is further from its centre. */
export const CELL_RADIUS_KM = 3.46;

const stepOf = (degrees: number, span: number, steps: number): number =>
  Math.min(steps - 1, Math.floor(((degrees + span / 2) / span) * steps));

/** Throws: VIG_INVARIANT if a coordinate is out of range. */
export function cellOf(point: Point): GeoCell {
  assert(isPoint(point), "coordinates are in range");
  const lon = stepOf(point.lon, 360, CELL_LON_STEPS);
  return lon * CELL_LAT_STEPS + stepOf(point.lat, 180, CELL_LAT_STEPS);
}

export function cellCentre(cell: GeoCell): Point {
  const lat = cell % CELL_LAT_STEPS;
  const lon = (cell - lat) / CELL_LAT_STEPS;
  return {
    lat: ((lat + 0.5) / CELL_LAT_STEPS) * 180 - 90,
    lon: ((lon + 0.5) / CELL_LON_STEPS) * 360 - 180,
  };
}

const GEOHASH_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";

/** The text form of a cell, 5 characters. Source: the public-domain geohash algorithm, longitude bit first. */
export function geohashOf(cell: GeoCell): string {
  const lat = cell % CELL_LAT_STEPS;
  const lon = (cell - lat) / CELL_LAT_STEPS;
  let text = "";
  let digit = 0;
  for (let bit = 0; bit < 25; bit++) {
    const half = bit >> 1;
    const value = bit % 2 === 0 ? (lon >> (12 - half)) & 1 : (lat >> (11 - half)) & 1;
    digit = digit * 2 + value;
    if (bit % 5 === 4) {
      text += GEOHASH_ALPHABET[digit];
      digit = 0;
    }
  }
  return text;
}
