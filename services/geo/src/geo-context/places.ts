import { createRequire } from "node:module";
import timeZoneAt from "@photostructure/tz-lookup";
import { iso1A2Code } from "@rapideditor/country-coder";
import { countryExtent } from "@vigie/core/countries";
import { haversineKm, type Point } from "@vigie/core/geo";

/** Where a position lies, by maps that are on this machine: nobody else is asked. */
export interface LocatedPosition {
  /** ISO 3166-1 alpha-2; null at sea. */
  readonly country: string | null;
  /** First-level administrative division of the nearest town. */
  readonly region: string | null;
  readonly city: string | null;
  /** IANA name; at sea one of the Etc/ zones. */
  readonly timezone: string;
}

/**
 * Further away than this no town stands for a place. Source: the table has a town for some 5,000 km² in the countries
 * served (11 for Senegal's 197,000 km², 58 for France's 640,000), so the nearest is about half of 70 to 130 km away.
 */
const NEAR_MAX_KM = 60;

interface Town extends Point {
  readonly name: string;
  readonly region: string | null;
}

/** A row of the npm package city-timezones (MIT): the populated places of Natural Earth 1:10m (public domain). */
interface TableRow {
  readonly city: string;
  readonly lat: number;
  readonly lng: number;
  /** Not a code in ten rows of disputed territories. */
  readonly iso2: unknown;
  readonly province: string;
}

let towns: ReadonlyMap<string, readonly Town[]> | null = null;

/** Read at first use, which takes 30 ms and 6 MB: most processes of a test never ask. */
function townsOf(country: string): readonly Town[] {
  towns ??= readTowns();
  return towns.get(country) ?? [];
}

function readTowns(): ReadonlyMap<string, readonly Town[]> {
  const require = createRequire(import.meta.url);
  const rows: readonly TableRow[] = require("city-timezones/data/cityMap.json");
  const byCountry = new Map<string, Town[]>();
  for (const { city, lat, lng, iso2, province } of rows) {
    const country = String(iso2);
    if (countryExtent(country) === null) continue;
    const known = byCountry.get(country) ?? [];
    byCountry.set(country, known);
    known.push({ lat, lon: lng, name: city, region: province || null });
  }
  return byCountry;
}

/**
 * Country by its borders (npm package country-coder, ISC), town by the nearest of the country's, time zone by its
 * borders (npm package tz-lookup, CC0). Borders are generalised: on 7,319 towns of the table country-coder agrees with
 * it on all but 36, which lie on borders. Measured: 0.04 ms a position in West Africa, 0.16 ms in the United States.
 */
export function locate(point: Point): LocatedPosition {
  const country = countryAt(point);
  const town = country === null ? null : nearest(point, townsOf(country));
  const timezone = timeZoneAt(point.lat, point.lon);
  return { country, region: town?.region ?? null, city: town?.name ?? null, timezone };
}

/** Territories with a code of their own count as that; codes that ISO only reserves (EA, IC) as their country's. */
function countryAt({ lat, lon }: Point): string | null {
  for (const level of ["territory", "country"] as const) {
    const code = iso1A2Code([lon, lat], { level });
    if (code !== null && countryExtent(code) !== null) return code;
  }
  return null;
}

function nearest(point: Point, candidates: readonly Town[]): Town | null {
  let found: Town | null = null;
  let foundKm = NEAR_MAX_KM;
  for (const town of candidates) {
    const km = haversineKm(point, town);
    if (km > foundKm) continue;
    found = town;
    foundKm = km;
  }
  return found;
}
