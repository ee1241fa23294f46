import * as fc from "fast-check";
import { getCountries, getCountryCallingCode } from "libphonenumber-js";
import examples from "libphonenumber-js/mobile/examples";
import { expect, test } from "vitest";
import { seed } from "#countries/matrix";
import { countriesByLibrary, countriesOfPhone } from "./phone.ts";

test.each([
  ["+221771234567", ["SN"]],
  ["+221 77 123 45 67", ["SN"]],
  ["00221771234567", ["SN"]],
  [" +33 6 12 34 56 78 ", ["FR"]],
  // One calling code, several countries: the number itself says which.
  ["+1 416 555 2671", ["CA"]],
  ["+1 876 555 0123", ["JM"]],
  ["+7 701 234 5678", ["KZ"]],
  ["+7 916 123 4567", ["RU"]],
  ["+44 7781 123456", ["GG"]],
])("GEO-14: %s is of %j", (text, countries) => {
  expect(countriesOfPhone(text)).toEqual(countries);
});

test("a number that nobody has is of all that share its calling code", () => {
  expect(countriesOfPhone("+221000000000")).toEqual(["SN"]);
  expect(countriesOfPhone("+79999999999")).toEqual(["RU"]);
  expect(countriesOfPhone("+10000000000")).toEqual(expect.arrayContaining(["US", "CA", "JM"]));
});

test.each([
  "",
  "0771234567",
  "77 123 45 67",
  "+999123456789",
  "+221",
  "+2211234",
  "+2217712345678",
  "dakar",
  "*131#",
  "+",
  "00",
])("%j says nothing", (text) => {
  expect(countriesOfPhone(text)).toEqual([]);
});

test("whatever is given, it is some countries or none", () =>
  fc.assert(
    fc.property(fc.string({ maxLength: 32 }), (text) => {
      for (const country of countriesOfPhone(text)) expect(country).toMatch(/^[A-Z]{2}$/);
    }),
  ));

test("examples of every country's mobile numbers are of that country", () => {
  for (const { code, phonePrefix } of seed) {
    const national = examples[code as keyof typeof examples];
    expect(countriesOfPhone(`${phonePrefix}${national}`)).toEqual([code]);
  }
});

const callingCode = fc.constantFrom(
  ...new Set(getCountries().map((code) => getCountryCallingCode(code))),
);

test("first digits tell what the whole number tells, in every numbering plan", () =>
  fc.assert(
    fc.property(callingCode, fc.stringMatching(/^\d{4,13}$/), (code, rest) => {
      const text = `+${code}${rest}`;
      expect(countriesOfPhone(text)).toEqual(countriesByLibrary(text));
    }),
    { numRuns: 5_000 },
  ));

test("blanks and the other way to write + change nothing", () =>
  fc.assert(
    fc.property(callingCode, fc.stringMatching(/^[\d ]{4,13}$/), (code, rest) => {
      for (const text of [`+${code}${rest}`, `00${code} ${rest}`, ` +${code} ${rest} `]) {
        expect(countriesOfPhone(text)).toEqual(countriesByLibrary(text));
      }
    }),
  ));
