import {
  GRID_RADIUS_KM,
  type GridCell,
  gridCellCentre,
  gridCellOf,
  SPHERE_ERROR_MAX,
} from "@vigie/core/geo";
import { cellAround, type GeohashCell, geohashLengths } from "@vigie/core/geohash";
import { type Place, placeAt, RADIUS_STEPS_PER_KM } from "@vigie/geoip/place";

/**
 * The same place no finer than a geohash of so many characters: the centre of its cell, with a radius within which the
 * truth lies still, so that nothing is found of coarse places that would not be found of the fine ones. The name of a
 * city goes with a length that is a region's or less; the country stays, since that is the least that is kept.
 */
export function coarsePlace(place: Place, length: number): Place {
  const { cell, country, city, generation } = place;
  const { centre, radiusKm } = around(cell, length);
  const movedKm = (radiusKm + GRID_RADIUS_KM) * SPHERE_ERROR_MAX;
  const steps = Math.ceil((place.radiusKm + movedKm) * RADIUS_STEPS_PER_KM);
  const named = length < geohashLengths.city ? "" : city;
  return placeAt(centre, steps / RADIUS_STEPS_PER_KM, country, named, generation);
}

export const coarseCell = (cell: GridCell, length: number): GridCell =>
  gridCellOf(around(cell, length).centre);

const { country, region, city } = geohashLengths;
const lengthsThatCut = [country, region, city] as const;

/**
 * How far the truth may lie from a cell that is the centre of a coarse one; 0: it is none. One fine cell in 19 is such
 * a centre by chance, nearly always of a geohash of 5 characters, which is worth 3 km.
 */
export function coarsenessKm(cell: GridCell): number {
  for (const length of lengthsThatCut) {
    const { centre, radiusKm } = around(cell, length);
    if (gridCellOf(centre) === cell) return radiusKm + GRID_RADIUS_KM;
  }
  return 0;
}

const around = (cell: GridCell, length: number): GeohashCell =>
  cellAround(gridCellCentre(cell), length);

const known: WeakMap<Place, Place>[] = [];

/** The same for places of the databases, which come again and again: made once for each. */
export function coarsePlaceOnce(place: Place, length: number): Place {
  known[length] ??= new WeakMap();
  const made = known[length];
  let coarse = made.get(place);
  if (coarse === undefined) {
    coarse = coarsePlace(place, length);
    made.set(place, coarse);
  }
  return coarse;
}
