import { createRequire } from "node:module";
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
  /** IANA name, of the country's nearest town however far; null at sea. */
  readonly timezone: string | null;
}

/**
 * Further away than this no town stands for a place. Source: the table has a town for some 5,000 km² in the countries
 * served (11 for Senegal's 197,000 km², 58 for France's 640,000), so the nearest is about half of 70 to 130 km away.
 */
const NEAR_MAX_KM = 60;

interface Town extends Point {
  readonly name: string;
  readonly region: string | null;
  readonly timezone: string;
}

/** A row of the npm package city-timezones (MIT): the populated places of Natural Earth 1:10m (public domain). */
interface TableRow {
  readonly city: string;
  readonly lat: number;
  readonly lng: number;
  /** Not a code in ten rows of disputed territories. */
  readonly iso2: unknown;
  readonly province: string;
  /** Null in 48 rows. */
  readonly timezone: string | null;
}

let towns: ReadonlyMap<string, readonly Town[]> | null = null;

/** Reads the maps, which takes a tenth of a second once a process: before the first call rather than in it. */
export function openPlaces(): void {
  towns ??= readTowns();
}

function townsOf(country: string): readonly Town[] {
  openPlaces();
  return towns?.get(country) ?? [];
}

/** Those that lie in another country than the table says, or have no time zone there, are left out: 91 of 7,329. */
function readTowns(): ReadonlyMap<string, readonly Town[]> {
  const require = createRequire(import.meta.url);
  const rows: readonly TableRow[] = require("city-timezones/data/cityMap.json");
  const byCountry = new Map<string, Town[]>();
  for (const { city, lat, lng, iso2, province, timezone } of rows) {
    const country = countryAt({ lat, lon: lng });
    if (country === null || country !== iso2 || timezone === null) continue;
    const known = byCountry.get(country) ?? [];
    byCountry.set(country, known);
    known.push({ lat, lon: lng, name: city, region: province || null, timezone });
  }
  return byCountry;
}

/**
 * Country by its borders (npm package country-coder, ISC); town and time zone by the country's nearest town, so that no
 * place near a border has its neighbour's time. Borders are generalised: on 7,319 towns of the table country-coder agrees
 * with it on all but 36, which lie on borders. Measured: 0.04 ms a position in West Africa, 0.16 ms in the United States.
 */
export function locate(point: Point): LocatedPosition {
  const country = countryAt(point);
  const town = country === null ? null : nearest(point, townsOf(country));
  const near = town !== null && haversineKm(point, town) <= NEAR_MAX_KM ? town : null;
  const timezone = town?.timezone ?? null;
  return { country, region: near?.region ?? null, city: near?.name ?? null, timezone };
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
  let foundKm = Number.POSITIVE_INFINITY;
  for (const town of candidates) {
    const km = haversineKm(point, town);
    if (km >= foundKm) continue;
    found = town;
    foundKm = km;
  }
  return found;
}
