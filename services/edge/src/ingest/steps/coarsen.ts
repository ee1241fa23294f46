import { CELL_RADIUS_KM, cellCentre, cellOf, geohashOf } from "@vigie/core/geo";

/** A location as contracts have it, as far as it matters here. */
export interface GivenLocation {
  readonly source?: string;
  readonly lat?: number | null;
  readonly lon?: number | null;
  readonly accuracy_m?: number | null;
}

/** What a GPS fix without an accuracy is good for. Source: DESIGN, impossible_travel: GPS 0.1 km. */
const GPS_ACCURACY_M = 100;
const CELL_RADIUS_M = CELL_RADIUS_KM * 1_000;

/**
 * The same location no finer than a geohash-5 cell (PRV-07): the centre of the cell, and its radius added to the
 * accuracy, so that the true place lies within. A location of unknown accuracy keeps it unknown, since readers
 * assume more than a cell for it. Coordinates come in pairs: half of one is left out.
 */
export function coarsen<L extends GivenLocation>(location: L): L {
  const { lat, lon, accuracy_m: accuracy } = location;
  if (typeof lat !== "number" || typeof lon !== "number") {
    return { ...location, lat: null, lon: null };
  }
  const known = accuracy ?? (location.source === "GPS" ? GPS_ACCURACY_M : null);
  const accuracyM = known === null ? null : Math.round(known + CELL_RADIUS_M);
  return { ...location, ...cellCentre(cellOf({ lat, lon })), accuracy_m: accuracyM };
}

/** The geohash of a location's cell, or null without coordinates. */
export function geohashOfLocation({ lat, lon }: GivenLocation): string | null {
  if (typeof lat !== "number" || typeof lon !== "number") return null;
  return geohashOf(cellOf({ lat, lon }));
}
