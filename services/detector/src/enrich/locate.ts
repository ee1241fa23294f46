import { gridCellCentre } from "@vigie/core/geo";
import type { Channel, Location } from "@vigie/schemas/types";
import type { Address } from "#geoip/geoip";
import { countryCentre, countryRadiusKm } from "./countries.ts";
import { Place, placeAt } from "./place.ts";

/** Source of the radii: DESIGN, detector, impossible_travel. */
export const GPS_RADIUS_KM = 0.1;
export const PRODUCER_RADIUS_KM = 25;
/** A producer's own word on its accuracy counts for this much at most. */
export const ACCURACY_MAX_KM = 50;

/** How far the truth may lie from the centre of a geohash cell, by its length. Source: REQUIREMENTS GEO-19. */
const geohashRadiusKm: readonly number[] = [20_015, 2_500, 630, 78, 20, 2.4, 0.61, 0.076];

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

/** Made once for each country. */
const countryPlaces = new Map<string, Place>();

function countryPlace({ cell, country }: Place): Place {
  let known = countryPlaces.get(country);
  if (known === undefined) {
    const centre = countryCentre(country) ?? gridCellCentre(cell);
    known = placeAt(centre, countryRadiusKm(country), country, "");
    countryPlaces.set(country, known);
  }
  return known;
}

/** Made once for each place of the databases. */
const doubtedPlaces = new WeakMap<Place, Place>();

function doubted(place: Place): Place {
  let known = doubtedPlaces.get(place);
  if (known === undefined) {
    const { cell, radiusKm, country, city } = place;
    known = new Place(cell, Math.max(radiusKm, countryRadiusKm(country)), country, city);
    doubtedPlaces.set(place, known);
  }
  return known;
}

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
    return placeAt({ lat, lon }, Math.max(radiusOf(location), cellRadius(geohash)), country, city);
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
const cellRadius = (geohash: string | null): number =>
  geohash === null ? 0 : (geohashRadiusKm[geohash.length] ?? 0);
