import { cellOf, type GeoCell, type Point } from "@vigie/core/geo";

/** A position as it is kept: no finer than a geohash-5 cell, with the radius within which the truth lies. */
export interface Place {
  readonly cell: GeoCell;
  /** In steps of 100 m, so that it is the same after it was stored. */
  readonly radiusKm: number;
  /** ISO 3166-1 alpha-2, or "". */
  readonly country: string;
  readonly city: string;
}

export const RADIUS_STEPS_PER_KM = 10;
/** Nothing on Earth is further away. */
const RADIUS_MAX_KM = 20_015;

export function placeAt(
  point: Point,
  radiusKm: number,
  country: string | null | undefined,
  city: string | null | undefined,
): Place {
  const steps = Math.round(Math.min(radiusKm, RADIUS_MAX_KM) * RADIUS_STEPS_PER_KM);
  return {
    cell: cellOf(point),
    radiusKm: steps / RADIUS_STEPS_PER_KM,
    country: country && /^[A-Z]{2}$/.test(country) ? country : "",
    city: city ? city.slice(0, CITY_CHARACTERS_MAX).toWellFormed() : "",
  };
}

/** The longest city names of the databases have some 60 characters. */
const CITY_CHARACTERS_MAX = 64;

export const samePlace = (a: Place, b: Place): boolean =>
  a === b ||
  (a.cell === b.cell && a.radiusKm === b.radiusKm && a.country === b.country && a.city === b.city);
