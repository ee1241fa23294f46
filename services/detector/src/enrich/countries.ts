import type { Point } from "@vigie/core/geo";

interface Country {
  readonly centre: Point;
  /** From the centre to the furthest point of the country. */
  readonly radiusKm: number;
}

/**
 * The supported countries (REQUIREMENTS GEO-01, the inactive ones too). Radii of SN and NG: DESIGN, detector; the
 * others: great circle from the centre to the country's furthest corner, rounded up to 10 km (France with Corsica).
 */
const countries: Readonly<Record<string, Country>> = {
  SN: { centre: { lat: 14.5, lon: -14.45 }, radiusKm: 380 },
  CI: { centre: { lat: 7.54, lon: -5.55 }, radiusKm: 430 },
  GH: { centre: { lat: 7.95, lon: -1.03 }, radiusKm: 390 },
  NG: { centre: { lat: 9.08, lon: 8.68 }, radiusKm: 640 },
  FR: { centre: { lat: 46.6, lon: 2.45 }, radiusKm: 810 },
  ML: { centre: { lat: 17.57, lon: -4.0 }, radiusKm: 950 },
  BF: { centre: { lat: 12.24, lon: -1.56 }, radiusKm: 480 },
  TG: { centre: { lat: 8.62, lon: 0.82 }, radiusKm: 300 },
  BJ: { centre: { lat: 9.31, lon: 2.32 }, radiusKm: 360 },
};

/** Areas above a million square kilometres, in thousands. Source: CIA World Factbook (public domain). */
const largeAreas: Readonly<Record<string, number>> = {
  ...{ RU: 17_098, CA: 9_985, US: 9_834, CN: 9_597, BR: 8_516, AU: 7_741, IN: 3_287, AR: 2_780 },
  ...{ KZ: 2_725, DZ: 2_382, CD: 2_345, GL: 2_166, SA: 2_150, MX: 1_964, ID: 1_905, SD: 1_861 },
  ...{ LY: 1_760, IR: 1_648, MN: 1_564, PE: 1_285, TD: 1_284, NE: 1_267, AO: 1_247, ZA: 1_219 },
  ...{ CO: 1_139, ET: 1_104, BO: 1_099, MR: 1_031, EG: 1_001 },
};
const OTHER_AREA_KKM2 = 1_000;
/** The furthest point is further than a circle of the same area says: 1.52 times in Senegal, 1.18 in Nigeria. */
const SHAPE_FACTOR = 1.5;

/** How far a country-level position may be off. */
export function countryRadiusKm(code: string): number {
  const known = countries[code];
  if (known !== undefined) return known.radiusKm;
  const areaKm2 = (largeAreas[code] ?? OTHER_AREA_KKM2) * 1_000;
  return Math.round(SHAPE_FACTOR * Math.sqrt(areaKm2 / Math.PI));
}

/** Where a country-level position without coordinates lies; null for countries that are not supported. */
export const countryCentre = (code: string): Point | null => countries[code]?.centre ?? null;
