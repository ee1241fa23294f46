import { countriesOfMcc } from "@vigie/core/mcc";
import type { Fault } from "@vigie/service-kit/http/problem";
import {
  type CountryCode,
  getCountryCallingCode,
  isSupportedCountry,
  parsePhoneNumberFromString,
} from "libphonenumber-js";
import { isTimeZone } from "#time-zone";
import type { Country } from "./country.ts";

/** What of a well-formed country cannot be so; none: it can. */
export function faultsOf(country: Country): readonly Fault[] {
  return checks.flatMap(([path, check]) => {
    const why = check(country);
    return why === null ? [] : [{ path, why }];
  });
}

/** Null: nothing is wrong. */
type Check = (country: Country) => string | null;
const unless = (holds: boolean, why: string): string | null => (holds ? null : why);

const checks: readonly (readonly [path: string, Check])[] = [
  ["code", ({ code }) => unless(isSupportedCountry(code), "is no country with phones")],
  ["phonePrefix", ({ phonePrefix, code }) => prefixFault(phonePrefix, code)],
  ["phoneExample", exampleFault],
  ["phonePattern", patternFault],
  [
    "currency",
    ({ currency }) => unless(currencies.has(currency), "is no currency that ISO 4217 knows"),
  ],
  ["timezones", ({ timezones }) => eachFault(timezones, zoneFault)],
  ["timezone", ({ timezone, timezones }) => memberFault(timezone, timezones)],
  ["locales", ({ locales, code }) => eachFault(locales, (locale) => localeFault(locale, code))],
  ["locale", ({ locale, locales }) => memberFault(locale, locales)],
  [
    "ussdPrefix",
    ({ supportsUssd, ussdPrefix }) =>
      unless(supportsUssd === (ussdPrefix !== null), "must be there exactly with supportsUssd"),
  ],
  ["ussdGatewayUrl", gatewayFault],
  ["mcc", ({ mcc, code }) => eachFault(mcc, (one) => mccFault(one, code))],
  ["carriers", carriersFault],
];

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf("currency"));

function prefixFault(prefix: string, code: string): string | null {
  if (!isSupportedCountry(code)) return null;
  const expected = `+${getCountryCallingCode(code)}`;
  return unless(prefix === expected, `is ${expected} (ITU-T E.164)`);
}

function exampleFault({ phoneExample, phonePrefix, code }: Country): string | null {
  const number = parsePhoneNumberFromString(phoneExample);
  const isOfCountry = number?.isValid() === true && number.country === (code as CountryCode);
  return unless(isOfCountry && phoneExample.startsWith(phonePrefix), "is no number of the country");
}

/** Digits, classes of digits and groups, with counts but no repeated group, which could be tried without end. */
const PATTERN =
  /^\^\\\+(?:(?:\\d|\d|\[\d(?:-?\d)*\])(?:\{\d{1,2}(?:,\d{1,2})?\})?|\(\?:|\||\)(?![?*+{]))+\$$/;

function patternFault({ phonePattern, phoneExample }: Country): string | null {
  if (!PATTERN.test(phonePattern)) return "may hold digits, [classes], \\d, {counts} and (?:a|b)";
  let pattern: RegExp;
  try {
    pattern = new RegExp(phonePattern);
  } catch {
    return "is no regular expression";
  }
  if (waysOf(phonePattern) > WAYS_MAX) return "may be read in too many ways";
  const e164 = `+${phoneExample.replace(/\D/g, "")}`;
  return unless(pattern.test(e164), "does not match phoneExample");
}

/** A text that nearly matches is tried in each of them. */
const WAYS_MAX = 1_000;
/** What there is a choice of in a pattern. */
const CHOICES = /\(\?:|\||\)|\{(\d+),(\d+)\}/g;

/** In how many ways a pattern may be read: those of alternatives are added, of what follows each other multiplied. */
function waysOf(pattern: string): number {
  let group = { alternatives: 0, ways: 1 };
  const outer: (typeof group)[] = [];
  for (const [choice, least, most] of pattern.matchAll(CHOICES)) {
    if (choice === "(?:") {
      outer.push(group);
      group = { alternatives: 0, ways: 1 };
    } else if (choice === "|") {
      group = { alternatives: group.alternatives + group.ways, ways: 1 };
    } else if (choice === ")") {
      const { alternatives = 0, ways = 1 } = outer.pop() ?? {};
      group = { alternatives, ways: ways * (group.alternatives + group.ways) };
    } else group.ways *= Number(most) - Number(least) + 1;
  }
  return group.alternatives + group.ways;
}

function zoneFault(zone: string): string | null {
  if (!isTimeZone(zone)) return `has ${zone}, which no IANA time zone is called`;
  return unless(zone.includes("/"), `has ${zone}, which is no Area/City`);
}

const languages = new Intl.DisplayNames("en", { type: "language", fallback: "none" });

function localeFault(locale: string, code: string): string | null {
  const [language = "", region] = locale.split("_");
  const known = region === code && languages.of(language) !== undefined;
  return unless(known, `has ${locale}, which is no language of ${code}`);
}

function gatewayFault({ ussdGatewayUrl, supportsUssd }: Country): string | null {
  if (ussdGatewayUrl === null) return null;
  if (!supportsUssd) return "is of no use without supportsUssd";
  const url = URL.parse(ussdGatewayUrl);
  const sound = url?.protocol === "https:" && url.username === "" && url.password === "";
  return unless(sound, "is an https URL without a password in it");
}

const mccFault = (mcc: number, code: string): string | null =>
  unless(countriesOfMcc(mcc).includes(code), `has ${mcc}, which is not of ${code} (ITU-T E.212)`);

function carriersFault({ carriers }: Country): string | null {
  const repeated = firstRepeated(carriers.flatMap(({ mncs }) => mncs));
  if (repeated !== undefined) return `have the network code ${repeated} twice`;
  const system = firstRepeated(carriers.flatMap(({ asns }) => asns));
  return unless(system === undefined, `have the autonomous system ${system} twice`);
}

const firstRepeated = (values: readonly number[]): number | undefined =>
  values.find((value, at) => values.indexOf(value) !== at);

const memberFault = (value: string, values: readonly string[]): string | null =>
  unless(values.includes(value), "is not among the others");

function eachFault<T>(values: readonly T[], check: (value: T) => string | null): string | null {
  if (new Set(values).size < values.length) return "has one twice";
  for (const value of values) {
    const why = check(value);
    if (why !== null) return why;
  }
  return null;
}
