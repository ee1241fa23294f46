import type { Location } from "@vigie/schemas/types";
import type { Address } from "#geoip/geoip";
import { countryCentre, countryRadiusKm } from "./countries.ts";
import { type Place, placeAt } from "./place.ts";

/** Source of the radii: DESIGN, detector, impossible_travel. */
export const GPS_RADIUS_KM = 0.1;
export const PRODUCER_RADIUS_KM = 25;
/** A producer's own word on its accuracy counts for this much at most. */
export const ACCURACY_MAX_KM = 50;

/** How far the truth may lie from the centre of a geohash cell, by its length. Source: REQUIREMENTS GEO-19. */
const geohashRadiusKm: readonly number[] = [20_015, 2_500, 630, 78, 20, 2.4, 0.61, 0.076];

/**
 * Where an event says that the user was: a given location before the address's. Null when neither is known, or when
 * the address is an exit that stands for nobody.
 */
export function locate(
  location: Location,
  geohash: string | null,
  address: () => Address,
): Place | null {
  return locateGiven(location, geohash, address) ?? locateAddress(address());
}

/** Where an address says that the user was; null for an exit that stands for nobody. */
export const locateAddress = (address: Address): Place | null =>
  address.isAnchor ? address.place : null;

function locateGiven(
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
  // The country of a SIM or of a phone number is where it was bought, not where it is.
  if (country === null || source === "SIM" || source === "PHONE") return null;
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
