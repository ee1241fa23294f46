import { countryExtent } from "@vigie/core/countries";
import { type PrecisionLevel, precisionLevels } from "@vigie/core/geohash";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { type Static, Type } from "typebox";
import { isTimeZone } from "#time-zone";

const orFollows = (pattern: string, description: string) =>
  Type.Union([Type.String({ pattern, description }), Type.Null()], {
    description: `${description}; null: it follows the country`,
  });

const precisionLevel = Type.Unsafe<PrecisionLevel>(
  Type.Union(
    precisionLevels.map((level) => Type.Literal(level)),
    { description: "geohash characters kept: 2, 3, 5, 6, 7; the last two need gpsOptIn" },
  ),
);

const country = orFollows("^[A-Z]{2}$", "ISO 3166-1 alpha-2");
const currency = orFollows("^[A-Z]{3}$", "ISO 4217");
const locale = orFollows("^[a-z]{2,3}_[A-Z]{2}$", "as in fr_SN");
const timezone = orFollows("^[A-Za-z0-9_+/-]{1,64}$", "IANA time zone");

const fields = {
  gpsOptIn: Type.Boolean({ description: "whether positions may be used" }),
  precisionLevel,
  preferredCountry: country,
  preferredCurrency: currency,
  preferredLocale: locale,
  preferredTimezone: timezone,
  homeCountry: country,
};

/** GEO-17, CNF-25: what is left out stays as it is. */
export const prefsBody = Type.Partial(Type.Object(fields), {
  additionalProperties: false,
  minProperties: 1,
});
export type PrefsBody = Static<typeof prefsBody>;

const prefsAnswer = Type.Object({
  prefs: Type.Object({
    ...fields,
    automatic: Type.Array(Type.String(), {
      description: "what of it was not chosen but follows the country",
    }),
  }),
});

const common = { tags: ["preferences"], security: [{ bearer: [] }] };

export const readPrefsRoute = {
  ...common,
  summary: "What the caller has chosen, and what follows from where they are",
  response: { 200: prefsAnswer, ...problemResponses },
};

export const changePrefsRoute = {
  ...common,
  summary: "Changes what is named, and leaves the rest",
  description:
    "null lets a preference follow the country. Without gpsOptIn the precision is city at most; withdrawing it erases all positions, and a coarser level cuts what is kept.",
  body: prefsBody,
  response: { 200: prefsAnswer, ...problemResponses },
};

/** What a pattern cannot say. Returns: what is wrong with the first value that nobody knows, or null. */
export function unknownValue(body: PrefsBody): { path: string; why: string } | null {
  for (const path of ["preferredCountry", "homeCountry"] as const) {
    const code = body[path];
    if (code && countryExtent(code) === null) return { path, why: "is no country" };
  }
  const { preferredCurrency, preferredTimezone } = body;
  if (preferredCurrency && !currencies.has(preferredCurrency)) {
    return { path: "preferredCurrency", why: "is no currency" };
  }
  if (preferredTimezone && !isTimeZone(preferredTimezone)) {
    return { path: "preferredTimezone", why: "is no time zone" };
  }
  return null;
}

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));
