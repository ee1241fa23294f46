import { gridCellCentre, type Point } from "@vigie/core/geo";
import { cellAround, geohashLengths } from "@vigie/core/geohash";
import { countryCentre, countryRadiusKm } from "@vigie/geoip/countries";
import type { Address } from "@vigie/geoip/geoip";
import { Place, placeAt } from "@vigie/geoip/place";
import type { Channel, Location } from "@vigie/schemas/types";

/** Source of the radii: DESIGN, detector, impossible_travel. */
export const GPS_RADIUS_KM = 0.1;
export const PRODUCER_RADIUS_KM = 25;
/** A producer's own word on its accuracy counts for this much at most. */
export const ACCURACY_MAX_KM = 50;

/**
 * Where an address says that the user was, or null; `simCountries`: those of the event's SIM, null without one.
 * A USSD dialogue comes from its operator's gateway: its address and its SIM tell of a country together, or of nothing.
 * Elsewhere a SIM of another country is a doubt: the place may be anywhere in the country that the address is said to be in.
 */
export function locateAddress(
  { place, isAnchor }: Address,
  channel: Channel,
  simCountries: readonly string[] | null,
): Place | null {
  if (place === null || !isAnchor) return null;
  const agrees = simCountries?.includes(place.country) === true;
  if (channel === "USSD") return agrees ? countryPlace(place) : null;
  return agrees || simCountries === null || simCountries.length === 0 ? place : doubted(place);
}

/** What is made of a place of the databases, once for each. */
function madeOnce(make: (place: Place) => Place): (place: Place) => Place {
  const made = new WeakMap<Place, Place>();
  return (place) => {
    let known = made.get(place);
    if (known === undefined) {
      known = make(place);
      made.set(place, known);
    }
    return known;
  };
}

const countryPlace = madeOnce(({ cell, country, generation }) => {
  const centre = countryCentre(country) ?? gridCellCentre(cell);
  return placeAt(centre, countryRadiusKm(country), country, "", generation);
});

const doubted = madeOnce(({ cell, radiusKm, country, city, generation }) => {
  const radius = Math.max(radiusKm, countryRadiusKm(country));
  return new Place(cell, radius, country, city, generation);
});

/** The country of a SIM or of a phone number is where it was bought, not where it is. */
export const isOrigin = ({ source }: Location): boolean => source === "SIM" || source === "PHONE";

/** Where a producer says that the user was, or null. */
export function locateGiven(
  location: Location,
  geohash: string | null,
  address: () => Address,
): Place | null {
  const { source, lat, lon, country, city } = location;
  // A location that was derived from a VPN's address is no better than the address.
  if (source === "IP" && !address().isAnchor) return null;
  if (lat !== null && lon !== null) {
    const length = geohash?.length ?? lengthCutTo({ lat, lon }, location.accuracy_m);
    const radiusKm = Math.max(radiusOf(location), cellRadiusKm({ lat, lon }, length));
    return placeAt({ lat, lon }, radiusKm, country, city);
  }
  if (country === null || isOrigin(location)) return null;
  const centre = countryCentre(country);
  return centre && placeAt(centre, countryRadiusKm(country), country, city);
}

function radiusOf({ source, accuracy_m }: Location): number {
  if (accuracy_m !== null) return Math.min(accuracy_m / 1_000, ACCURACY_MAX_KM);
  return source === "GPS" ? GPS_RADIUS_KM : PRODUCER_RADIUS_KM;
}

/** A cell is as coarse as the user wanted it; that is no claim of a producer. */
const cellRadiusKm = (centre: Point, length: number | null): number =>
  length === null ? 0 : cellAround(centre, length).radiusKm;

/** Levels with cells that reach further than an accuracy counts. */
const beyondAccuracy = [geohashLengths.country, geohashLengths.region] as const;

/**
 * The length of the geohash that an edge cut a location to which carries none, as logins do: it lies on the very centre
 * of a cell, with an accuracy of the cell's radius at least. Null: it was not cut to less than a city.
 * Nobody gains by claiming a cell: what is given counts before the address, so a claim of the user's own town hides more.
 */
function lengthCutTo(point: Point, accuracyM: number | null): number | null {
  if (accuracyM === null || accuracyM <= ACCURACY_MAX_KM * 1_000) return null;
  for (const length of beyondAccuracy) {
    const { centre, radiusKm } = cellAround(point, length);
    // Edges round to metres.
    const isWhole = accuracyM >= Math.floor(radiusKm * 1_000);
    if (isWhole && centre.lat === point.lat && centre.lon === point.lon) return length;
  }
  return null;
}
