import { cellAround, geohashAt, geohashLengths } from "@vigie/core/geohash";

/** A location as contracts have it, as far as it matters here. */
export interface GivenLocation {
  readonly source?: string;
  readonly lat?: number | null;
  readonly lon?: number | null;
  readonly accuracy_m?: number | null;
}

/** What a GPS fix without an accuracy is good for. Source: DESIGN, impossible_travel: GPS 0.1 km. */
const GPS_ACCURACY_M = 100;
/** What readers take another position without one to be good for. Source: DESIGN, impossible_travel: 25 km. */
const ASSUMED_ACCURACY_M = 25_000;

/**
 * The same location no finer than a geohash cell of so many characters (PRV-07): the centre of the cell, and its radius
 * added to the accuracy, so that the true place lies within. An accuracy that is unknown stays so where readers assume
 * more than the cell for it. Coordinates come in pairs: half of one is left out, and both with a length of 0. A region
 * or less goes without the name of a city.
 */
export function coarsen<L extends GivenLocation>(location: L, length: number): L {
  const { lat, lon } = location;
  const named = length < geohashLengths.city ? { ...location, city: null } : location;
  if (typeof lat !== "number" || typeof lon !== "number" || length === 0) {
    return { ...named, lat: null, lon: null };
  }
  const { centre, radiusKm } = cellAround({ lat, lon }, length);
  return { ...named, ...centre, accuracy_m: accuracyM(location, radiusKm * 1_000) };
}

function accuracyM({ accuracy_m: given, source }: GivenLocation, radiusM: number): number | null {
  const known = given ?? (source === "GPS" ? GPS_ACCURACY_M : null);
  if (known !== null) return Math.round(known + radiusM);
  return radiusM < ASSUMED_ACCURACY_M ? null : Math.round(ASSUMED_ACCURACY_M + radiusM);
}

/** The geohash of a location that was cut, or null without coordinates. */
export function geohashOfLocation({ lat, lon }: GivenLocation, length: number): string | null {
  if (typeof lat !== "number" || typeof lon !== "number") return null;
  return geohashAt({ lat, lon }, length);
}
