import { assert } from "./assert.ts";

/** Shape: decimal degrees, latitude -90..90, longitude -180..180. */
export interface Point {
  readonly lat: number;
  readonly lon: number;
}

/** Source: IUGG mean radius of the Earth. */
export const EARTH_RADIUS_KM = 6_371.0088;

/** A distance along the ellipsoid is at most this many times that on the sphere. Source: `haversineKm`. */
export const SPHERE_ERROR_MAX = 1.006;

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

/** Source: WGS 84, semi-major axis in km and flattening. */
const WGS84_AXIS_KM = 6_378.137;
const WGS84_FLATTENING = 1 / 298.257223563;
/** Nearly antipodal points do not converge; others do within some ten rounds. */
const ROUNDS_MAX = 100;
const CONVERGED_RADIANS = 1e-12;

/**
 * Distance between two points along the WGS 84 ellipsoid, ignoring altitude: ten times the work of `haversineKm`.
 * Shape: as `haversineKm`. Returns: kilometres, to the metre; nearly antipodal points as `haversineKm`.
 * Source: T. Vincenty, "Direct and inverse solutions of geodesics on the ellipsoid", Survey Review 23 (1975), inverse.
 */
export function geodesicKm(from: Point, to: Point): number {
  const f = WGS84_FLATTENING;
  const reducedFrom = Math.atan((1 - f) * Math.tan(radians(from.lat)));
  const reducedTo = Math.atan((1 - f) * Math.tan(radians(to.lat)));
  const [sinU1, cosU1] = [Math.sin(reducedFrom), Math.cos(reducedFrom)];
  const [sinU2, cosU2] = [Math.sin(reducedTo), Math.cos(reducedTo)];
  const difference = radians(to.lon - from.lon);
  let lambda = difference;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const [sinLambda, cosLambda] = [Math.sin(lambda), Math.cos(lambda)];
    const cross = cosU1 * sinU2 - sinU1 * cosU2 * cosLambda;
    const sinSigma = Math.hypot(cosU2 * sinLambda, cross);
    if (sinSigma === 0) return 0;
    const cosSigma = sinU1 * sinU2 + cosU1 * cosU2 * cosLambda;
    const sigma = Math.atan2(sinSigma, cosSigma);
    const sinAlpha = (cosU1 * cosU2 * sinLambda) / sinSigma;
    const cosSqAlpha = 1 - sinAlpha * sinAlpha;
    const cosMiddle = cosSqAlpha === 0 ? 0 : cosSigma - (2 * sinU1 * sinU2) / cosSqAlpha;
    const c = (f / 16) * cosSqAlpha * (4 + f * (4 - 3 * cosSqAlpha));
    const series = cosMiddle + c * cosSigma * (2 * cosMiddle * cosMiddle - 1);
    const next = difference + (1 - c) * f * sinAlpha * (sigma + c * sinSigma * series);
    const converged = Math.abs(next - lambda) < CONVERGED_RADIANS;
    lambda = next;
    if (converged) return arcKm({ sigma, sinSigma, cosSigma, cosSqAlpha, cosMiddle });
  }
  return haversineKm(from, to);
}

interface Arc {
  readonly sigma: number;
  readonly sinSigma: number;
  readonly cosSigma: number;
  readonly cosSqAlpha: number;
  readonly cosMiddle: number;
}

/** Vincenty's equations 3, 4, 6 and 19. */
function arcKm({ sigma, sinSigma, cosSigma, cosSqAlpha, cosMiddle }: Arc): number {
  const minorKm = WGS84_AXIS_KM * (1 - WGS84_FLATTENING);
  const uSq = cosSqAlpha * ((WGS84_AXIS_KM / minorKm) ** 2 - 1);
  const a = 1 + (uSq / 16_384) * (4_096 + uSq * (uSq * (320 - 175 * uSq) - 768));
  const b = (uSq / 1_024) * (256 + uSq * (uSq * (74 - 47 * uSq) - 128));
  const middleSq = cosMiddle * cosMiddle;
  const inner = (b / 6) * cosMiddle * (4 * sinSigma * sinSigma - 3) * (4 * middleSq - 3);
  const delta = b * sinSigma * (cosMiddle + (b / 4) * (cosSigma * (2 * middleSq - 1) - inner));
  return minorKm * a * (sigma - delta);
}

export function isPoint(point: Point): boolean {
  return Math.abs(point.lat) <= 90 && Math.abs(point.lon) <= 180;
}

/**
 * A cell of a grid of hundredths of a degree as a number: what positions are kept as where they are compared, fine
 * enough for a speed, too coarse for a street (GEO-19: between a neighbourhood and a city).
 */
export type GridCell = number;

const GRID_STEPS_PER_DEGREE = 100;
const GRID_LAT_STEPS = 180 * GRID_STEPS_PER_DEGREE + 1;
export const GRID_LIMIT = GRID_LAT_STEPS * (360 * GRID_STEPS_PER_DEGREE + 1);
/** Half the diagonal of a cell at the equator. */
export const GRID_RADIUS_KM = 0.79;

/** Throws: VIG_INVARIANT if a coordinate is out of range. */
export function gridCellOf(point: Point): GridCell {
  assert(isPoint(point), "coordinates are in range");
  const lat = Math.round((point.lat + 90) * GRID_STEPS_PER_DEGREE);
  return Math.round((point.lon + 180) * GRID_STEPS_PER_DEGREE) * GRID_LAT_STEPS + lat;
}

export function gridCellCentre(cell: GridCell): Point {
  const lat = cell % GRID_LAT_STEPS;
  const lon = (cell - lat) / GRID_LAT_STEPS;
  return { lat: lat / GRID_STEPS_PER_DEGREE - 90, lon: lon / GRID_STEPS_PER_DEGREE - 180 };
}
