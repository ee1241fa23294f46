import {
  getCountries,
  getCountryCallingCode,
  Metadata,
  parsePhoneNumberFromString,
} from "libphonenumber-js";

/** A country that has its calling code alone, and how many digits may follow it. */
interface Plan {
  readonly countries: readonly [string];
  readonly lengths: ReadonlySet<number>;
}

const plans: ReadonlyMap<string, Plan> = plansOfOne();

/**
 * The countries that an international number ("+…", or "00…") may be of, ISO 3166-1 alpha-2. One that is given to
 * nobody is of all that share its calling code, as far as its length fits; a number that fits none is of none.
 */
export function countriesOfPhone(text: string): readonly string[] {
  // Most are told by their first digits: parsing them whole is a third of a detection's work.
  return planOf(text)?.countries ?? countriesByLibrary(text);
}

/** Null: more than the first digits and the length is needed to tell. */
function planOf(text: string): Plan | null {
  const [, digits] = PLAIN.exec(text) ?? [];
  if (digits === undefined) return null;
  const number = digits.replaceAll(" ", "");
  for (let length = 1; length <= CALLING_CODE_MAX; length++) {
    const plan = plans.get(number.slice(0, length));
    if (plan !== undefined) return plan.lengths.has(number.length - length) ? plan : null;
  }
  return null;
}

const PLAIN = /^(?:\+|00)([1-9][\d ]{1,30})$/;
/** Source: ITU-T E.164, 1 to 3 digits, none of which begins another. */
const CALLING_CODE_MAX = 3;

export function countriesByLibrary(text: string): readonly string[] {
  const trimmed = text.trim();
  const number = parsePhoneNumberFromString(
    trimmed.startsWith("00") ? `+${trimmed.slice(2)}` : trimmed,
  );
  if (number === undefined) return [];
  const { country } = number;
  if (country !== undefined && number.isValid()) return [country];
  return number.isPossible() ? number.getPossibleCountries() : [];
}

function plansOfOne(): ReadonlyMap<string, Plan> {
  const found = new Map<string, Plan | null>();
  for (const country of getCountries()) {
    const code = getCountryCallingCode(country);
    const metadata = new Metadata();
    metadata.selectNumberingPlan(country);
    const lengths = new Set(metadata.numberingPlan?.possibleLengths() ?? []);
    found.set(code, found.has(code) ? null : { countries: [country], lengths });
  }
  return new Map([...found].flatMap(([code, plan]) => (plan === null ? [] : [[code, plan]])));
}
