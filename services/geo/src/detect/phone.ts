import { parsePhoneNumberFromString } from "libphonenumber-js";

/**
 * The countries that an international number ("+…", or "00…") may be of, ISO 3166-1 alpha-2. One that is given to
 * nobody is of all that share its calling code, as far as its length fits; a number that fits none is of none.
 */
export function countriesOfPhone(text: string): readonly string[] {
  const trimmed = text.trim();
  const number = parsePhoneNumberFromString(
    trimmed.startsWith("00") ? `+${trimmed.slice(2)}` : trimmed,
  );
  if (number === undefined) return [];
  const { country } = number;
  return country !== undefined && number.isValid() ? [country] : number.getPossibleCountries();
}
