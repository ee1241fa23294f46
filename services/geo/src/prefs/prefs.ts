import {
  type GeohashLength,
  geohashLengths,
  PRECISION_DEFAULT,
  type PrecisionLevel,
  precisionLevels,
} from "@vigie/core/geohash";
import type { PlaceConsent } from "#geo-context/geo-context";

/** What a person has chosen; null: it follows from where they are. */
export interface Prefs {
  readonly gpsOptIn: boolean;
  readonly precisionLevel: PrecisionLevel;
  /** ISO 3166-1 alpha-2. */
  readonly preferredCountry: string | null;
  /** ISO 4217. */
  readonly preferredCurrency: string | null;
  /** As in fr_SN. */
  readonly preferredLocale: string | null;
  /** IANA time zone. */
  readonly preferredTimezone: string | null;
  readonly homeCountry: string | null;
}

/** Of whoever has never chosen. Source: GEO-18, PRV-06, PRV-07. */
export const defaultPrefs: Prefs = {
  gpsOptIn: false,
  precisionLevel: PRECISION_DEFAULT,
  preferredCountry: null,
  preferredCurrency: null,
  preferredLocale: null,
  preferredTimezone: null,
  homeCountry: null,
};

export const lengthOf = ({ precisionLevel }: Pick<Prefs, "precisionLevel">): GeohashLength =>
  geohashLengths[precisionLevel];

/** What of it places are cut by. */
export const consentOf = (prefs: Prefs): PlaceConsent => ({
  gpsOptIn: prefs.gpsOptIn,
  length: lengthOf(prefs),
});

/** The level of a length that is stored; the table takes no other. */
export const levelOf = (length: number): PrecisionLevel =>
  precisionLevels.find((level) => geohashLengths[level] === length) ?? PRECISION_DEFAULT;

/** What follows a country. */
export interface CountryDefaults {
  readonly currency: string;
  readonly timezone: string;
  readonly locale: string;
}

/** Of a country that is served; null for any other. */
export type CountriesServed = (country: string) => CountryDefaults | null;

/** Where somebody was last, as far as preferences follow it. */
export interface Whereabouts {
  readonly country: string | null;
  readonly timezone: string | null;
}

export interface EffectivePrefs extends Prefs {
  /** What of it was not chosen but follows the country, by name (GEO-22). */
  readonly automatic: readonly (typeof followers)[number][];
}

const followers = [
  "preferredCountry",
  "preferredCurrency",
  "preferredLocale",
  "preferredTimezone",
] as const;

/**
 * GEO-22: what was not chosen follows the country: the chosen one, else the one where the person is, else home; of these
 * the first that is served, so that a journey elsewhere does not leave them without a currency. The time zone of where
 * they are counts before the default of that country, which may have several.
 */
export function effectivePrefs(
  chosen: Prefs,
  whereabouts: Whereabouts | null,
  countryOf: CountriesServed,
): EffectivePrefs {
  const candidates = [chosen.preferredCountry, whereabouts?.country, chosen.homeCountry];
  const country = candidates.find((code) => code && countryOf(code) !== null) ?? null;
  const defaults = country === null ? null : countryOf(country);
  const isHere = country !== null && country === whereabouts?.country;
  const followed = {
    preferredCountry: country,
    preferredCurrency: defaults?.currency ?? null,
    preferredLocale: defaults?.locale ?? null,
    preferredTimezone: (isHere ? whereabouts.timezone : null) ?? defaults?.timezone ?? null,
  };
  const automatic = followers.filter((name) => chosen[name] === null);
  const values = Object.fromEntries(automatic.map((name) => [name, followed[name]]));
  return { ...chosen, ...values, automatic };
}

/** What of a change others are told of. */
export interface Switch {
  readonly type: "currency_switched" | "timezone_updated";
  readonly from: string | null;
  readonly to: string | null;
}

/** CNF-25: chosen or followed, a change is a change. */
export function switchesOf(before: Prefs, after: Prefs): readonly Switch[] {
  const switches: readonly Switch[] = [
    { type: "currency_switched", from: before.preferredCurrency, to: after.preferredCurrency },
    { type: "timezone_updated", from: before.preferredTimezone, to: after.preferredTimezone },
  ];
  return switches.filter(({ from, to }) => from !== to);
}
