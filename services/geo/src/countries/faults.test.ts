import { describe, expect, test } from "vitest";
import type { Country } from "./country.ts";
import { faultsOf } from "./faults.ts";
import { seed } from "./matrix.ts";

const [senegal] = seed as readonly [Country];
const pathsOf = (changes: Partial<Country>) =>
  faultsOf({ ...senegal, ...changes }).map(({ path }) => path);

describe("what cannot be so is told by its member", () => {
  test.each<[string, Partial<Country>]>([
    ["phonePrefix", { phonePrefix: "+225" }],
    ["phoneExample", { phoneExample: "+221 00 123 45 67" }],
    ["phoneExample", { phoneExample: "77 123 45 67" }],
    ["phonePattern", { phonePattern: "^\\+2218\\d{8}$" }],
    ["phonePattern", { phonePattern: "^\\+221(?:7\\d{8}$" }],
    ["currency", { currency: "ABC" }],
    ["timezones", { timezones: ["Africa/Dakar", "Africa/Atlantis"] }],
    ["timezones", { timezones: ["Africa/Dakar", "Africa/Dakar"] }],
    ["timezones", { timezones: ["Africa/Dakar", "UTC"] }],
    ["timezones", { timezones: ["africa/dakar"], timezone: "africa/dakar" }],
    ["timezone", { timezone: "Africa/Abidjan" }],
    ["locales", { locales: ["fr_SN", "fr_CI"] }],
    ["locales", { locales: ["fr_SN", "qx_SN"] }],
    ["locale", { locale: "en_SN" }],
    ["ussdPrefix", { ussdPrefix: null }],
    ["ussdPrefix", { supportsUssd: false }],
    ["ussdGatewayUrl", { ussdGatewayUrl: "http://ussd.example" }],
    ["ussdGatewayUrl", { ussdGatewayUrl: "https://me:secret@ussd.example" }],
    ["ussdGatewayUrl", { ussdGatewayUrl: "ussd.example" }],
    ["mcc", { mcc: [608, 612] }],
    ["carriers", { carriers: [...senegal.carriers, { name: "Twice", mncs: [1], asns: [] }] }],
    ["carriers", { carriers: [...senegal.carriers, { name: "Twice", mncs: [9], asns: [8346] }] }],
  ])("%s: %j", (path, changes) => {
    expect(pathsOf(changes)).toContain(path);
  });
});

test("a country that has no phones is none", () => {
  expect(pathsOf({ code: "ZZ" })).toContain("code");
});

test("a gateway behind https is taken", () => {
  expect(pathsOf({ ussdGatewayUrl: "https://ussd.example/in" })).toEqual([]);
});

test.each([
  // Each would take longer than a lifetime on a text that nearly matches.
  "^\\+(?:\\d{1,9}){9,99}$",
  "^\\+(?:\\d)+$",
  "^\\+(?:7|7)*$",
  "^\\+\\d+\\d+$",
  "^\\+(.*)*$",
  `^\\+${"\\d{0,9}".repeat(20)}$`,
  `^\\+${"(?:|)".repeat(38)}\\d{12}$`,
  `^\\+${"(?:\\d|7)".repeat(12)}$`,
  "(a+)+",
])("a pattern that could run for ever is refused: %s", (phonePattern) => {
  expect(pathsOf({ phonePattern })).toContain("phonePattern");
});

test.each([
  "^\\+2217\\d{8}$",
  "^\\+221(?:7[05-8]|33)\\d{7}$",
  "^\\+221(?:(?:70|7[1-9])\\d{3,5}|3\\d{1,2})\\d{2,4}$",
])("a pattern of few ways is taken: %s", (phonePattern) => {
  expect(pathsOf({ phonePattern })).toEqual([]);
});
