import { assert } from "./assert.ts";
import { haversineKm, isPoint, type Point } from "./geo.ts";

/** How exactly a person lets their place be kept. Source: REQUIREMENTS GEO-18, GEO-19, CNF-05. */
export const geohashLengths = {
  country: 2,
  region: 3,
  city: 5,
  neighborhood: 6,
  precise: 7,
} as const;
export type PrecisionLevel = keyof typeof geohashLengths;
export type GeohashLength = (typeof geohashLengths)[PrecisionLevel];

/** Source: GEO-18. */
export const PRECISION_DEFAULT = "city" satisfies PrecisionLevel;

/** What is finer than a city needs gps_opt_in. Source: GEO-19, CNF-05. */
export const needsOptIn = (level: PrecisionLevel): boolean =>
  geohashLengths[level] > geohashLengths[PRECISION_DEFAULT];

/** To how many characters places may be kept: without the opt-in to a city's at most, whatever is asked for. */
export const allowedLength = (gpsOptIn: boolean, length: number): number =>
  gpsOptIn ? length : Math.min(length, geohashLengths[PRECISION_DEFAULT]);

export const precisionLevels = Object.keys(geohashLengths) as readonly PrecisionLevel[];

const ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz";
const BITS_PER_CHARACTER = 5;
/** Twelve characters are 60 bits, some centimetres: nobody asks for more. */
const LENGTH_MAX = 12;
const GEOHASH = new RegExp(`^[${ALPHABET}]{1,${LENGTH_MAX}}$`);

/** A cell as its text names it. */
export interface GeohashCell {
  readonly centre: Point;
  /** From the centre to the furthest point of the cell, a corner. */
  readonly radiusKm: number;
}

export const isGeohash = (text: string): boolean => GEOHASH.test(text);

/**
 * The text of the cell that holds a point: Dakar, 14.6928, -17.4467, is `edeedfx` in 7 characters.
 * Throws: VIG_INVARIANT if a coordinate or the length is out of range.
 * Source: the public-domain geohash algorithm: halves of longitude and latitude in turns, longitude first.
 */
export function geohashAt(point: Point, length: number): string {
  assert(isPoint(point), "coordinates are in range");
  assert(Number.isInteger(length) && length >= 1 && length <= LENGTH_MAX, "1 to 12 characters");
  const halving = new Halving();
  let text = "";
  while (text.length < length) {
    let digit = 0;
    for (let bit = 0; bit < BITS_PER_CHARACTER; bit++) {
      const upper = halving.isInUpper(point);
      halving.take(upper);
      digit = digit * 2 + (upper ? 1 : 0);
    }
    text += ALPHABET[digit];
  }
  return text;
}

/**
 * The cell of so many characters that holds a point: as `geohashCell` of `geohashAt`, without the text between, which
 * takes twenty times as long. Throws: VIG_INVARIANT if a coordinate or the length is out of range.
 */
export function cellAround(point: Point, length: number): GeohashCell {
  assert(isPoint(point), "coordinates are in range");
  assert(Number.isInteger(length) && length >= 1 && length <= LENGTH_MAX, "1 to 12 characters");
  const bits = BITS_PER_CHARACTER * length;
  const lonSteps = 2 ** Math.ceil(bits / 2);
  const latSteps = 2 ** Math.floor(bits / 2);
  const lonStep = Math.min(lonSteps - 1, Math.floor(((point.lon + 180) / 360) * lonSteps));
  const latStep = Math.min(latSteps - 1, Math.floor(((point.lat + 90) / 180) * latSteps));
  const low = { lat: (latStep / latSteps) * 180 - 90, lon: (lonStep / lonSteps) * 360 - 180 };
  return cellBetween(low, { lat: low.lat + 180 / latSteps, lon: low.lon + 360 / lonSteps });
}

function cellBetween(low: Point, high: Point): GeohashCell {
  const centre = { lat: (low.lat + high.lat) / 2, lon: (low.lon + high.lon) / 2 };
  // Parallels are longest towards the equator, so the corner there is the furthest.
  const lat = Math.abs(low.lat) < Math.abs(high.lat) ? low.lat : high.lat;
  return { centre, radiusKm: haversineKm(centre, { lat, lon: low.lon }) };
}

/** Throws: VIG_INVARIANT for a text that is no geohash. */
export function geohashCell(text: string): GeohashCell {
  assert(isGeohash(text), "a geohash has 1 to 12 characters of its alphabet");
  const halving = new Halving();
  for (const character of text) {
    const digit = ALPHABET.indexOf(character);
    for (let bit = BITS_PER_CHARACTER - 1; bit >= 0; bit--)
      halving.take(((digit >> bit) & 1) === 1);
  }
  return halving.cell();
}

/** A rectangle of degrees that is halved along longitude and latitude in turns. */
class Halving {
  private readonly low = { lat: -90, lon: -180 };
  private readonly high = { lat: 90, lon: 180 };
  private axis: "lat" | "lon" = "lon";

  isInUpper(point: Point): boolean {
    return point[this.axis] >= this.middle(this.axis);
  }

  take(upper: boolean): void {
    (upper ? this.low : this.high)[this.axis] = this.middle(this.axis);
    this.axis = this.axis === "lon" ? "lat" : "lon";
  }

  cell(): GeohashCell {
    return cellBetween(this.low, this.high);
  }

  private middle(axis: "lat" | "lon"): number {
    return (this.low[axis] + this.high[axis]) / 2;
  }
}
