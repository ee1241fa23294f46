import { countryExtent } from "@vigie/core/countries";
import type { Point } from "@vigie/core/geo";

/**
 * For codes that the table does not have: 1.5 times the radius of a circle of a million square kilometres, since the
 * furthest point of a country is further than a circle of its area says (1.52 times in Senegal, 1.18 in Nigeria).
 */
const OTHER_RADIUS_KM = 846;

/** How far a country-level position may be off. */
export const countryRadiusKm = (code: string): number =>
  countryExtent(code)?.radiusKm ?? OTHER_RADIUS_KM;

/** Where a country-level position without coordinates lies, or null. */
export const countryCentre = (code: string): Point | null => countryExtent(code)?.centre ?? null;
