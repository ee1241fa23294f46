import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { countriesOfMcc } from "@vigie/core/mcc";
import { GeoIpDatabases } from "@vigie/geoip/databases";
import { geoPaths, openShared, readGeoFiles } from "@vigie/geoip/files";
import * as fc from "fast-check";
import { parsePhoneNumberFromString } from "libphonenumber-js/max";
import { all as allNetworks } from "mcc-mnc-list";
import { describe, expect, test } from "vitest";
import type { Country } from "./country.ts";
import { faultsOf } from "./faults.ts";
import { seed } from "./matrix.ts";

const byCode = new Map(seed.map((country) => [country.code, country]));
const all = seed.map((country) => [country.code, country] as const);
const codesOf = (holds: (country: Country) => boolean) =>
  seed.filter(holds).map(({ code }) => code);

const e164 = ({ phoneExample }: Country): string => phoneExample.replace(/[^+\d]/g, "");

test("GEO-01: five countries are served, four wait", () => {
  expect(codesOf(({ active }) => active)).toEqual(["SN", "CI", "GH", "NG", "FR"]);
  expect(codesOf(({ active }) => !active)).toEqual(["ML", "BF", "TG", "BJ"]);
});

test("GEO-02: Senegal", () => {
  expect(byCode.get("SN")).toMatchObject({
    name: "Sénégal",
    currency: "XOF",
    currencySymbol: "CFA",
    timezone: "Africa/Dakar",
    phonePrefix: "+221",
    phoneExample: "+221 77 123 45 67",
    locale: "fr_SN",
    supportsUssd: true,
    supportsMobileMoney: true,
    mcc: [608],
  });
});

test.each([
  ["CI", "Côte d'Ivoire", "XOF", "CFA", "Africa/Abidjan", true],
  ["GH", "Ghana", "GHS", "₵", "Africa/Accra", true],
  ["NG", "Nigeria", "NGN", "₦", "Africa/Lagos", true],
  ["FR", "France", "EUR", "€", "Europe/Paris", false],
])("GEO-03, GEO-04: %s", (code, name, currency, currencySymbol, timezone, supported) => {
  expect(byCode.get(code)).toMatchObject({
    name,
    currency,
    currencySymbol,
    timezone,
    supportsUssd: supported,
    supportsMobileMoney: supported,
  });
});

describe.each(all)("GEO-05, GEO-06: %s", (code, country) => {
  test("is what an administrator could have written", () => {
    expect(faultsOf(country)).toEqual([]);
  });

  test("its example is a mobile number of it, as libphonenumber writes it", () => {
    const number = parsePhoneNumberFromString(country.phoneExample);
    expect(number?.country).toBe(code);
    expect(number?.getType()).toBe("MOBILE");
    expect(number?.formatInternational()).toBe(country.phoneExample);
  });

  test("its pattern takes every mobile number", () => {
    const pattern = new RegExp(country.phonePattern);
    const { phonePrefix } = country;
    const digits = e164(country).length - phonePrefix.length;
    return fc.assert(
      fc.property(fc.stringMatching(new RegExp(`^\\d{${digits}}$`)), (rest) => {
        const text = `${phonePrefix}${rest}`;
        const isMobile = parsePhoneNumberFromString(text)?.getType() === "MOBILE";
        if (isMobile) expect(text).toMatch(pattern);
      }),
      { numRuns: 1_000 },
    );
  });

  test("its pattern takes no number of another length", () => {
    const pattern = new RegExp(country.phonePattern);
    expect(`${e164(country)}0`).not.toMatch(pattern);
    expect(e164(country).slice(0, -1)).not.toMatch(pattern);
  });

  test("its time zones are those that ICU gives it", () => {
    const locale = new Intl.Locale(`und-${code}`) as Intl.Locale & { getTimeZones(): string[] };
    expect(country.timezones).toEqual(locale.getTimeZones());
  });

  test("its currency is written so by its people, and its name too", () => {
    const locale = country.locale.replace("_", "-");
    const money = new Intl.NumberFormat(locale, { style: "currency", currency: country.currency });
    expect(money.format(1)).toContain(country.currencySymbol);
    const name = new Intl.DisplayNames(locale, { type: "region" }).of(code);
    expect(name?.replace("’", "'")).toBe(country.name);
  });

  test("its mobile country code and networks are in a list of somebody else", () => {
    const networks = allNetworks().filter(({ countryCode }) => countryCode === code);
    expect([...new Set(networks.map(({ mcc }) => Number(mcc)))]).toEqual(country.mcc);
    for (const { name, mncs } of country.carriers) {
      for (const mnc of mncs) {
        const found = networks.find((network) => Number(network.mnc) === mnc);
        expect(found).toMatchObject({ brand: name, status: "Operational" });
      }
    }
  });
});

test("the autonomous systems of carriers announce addresses of their country", async () => {
  const wanted = new Map(
    seed.flatMap(({ code, carriers }) =>
      carriers.flatMap(({ asns }) => asns.map((asn) => [String(asn), code] as const)),
    ),
  );
  const path = createRequire(import.meta.url).resolve("@ip-location-db/asn/asn-ipv4.csv");
  const geoip = new GeoIpDatabases(
    openShared(await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }))),
  );
  const found = new Map<string, Set<string>>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const [start = "", , asn = ""] = line.split(",", 3);
    if (!wanted.has(asn)) continue;
    const countries = found.get(asn) ?? new Set();
    found.set(asn, countries.add(geoip.lookup(start).country ?? ""));
  }
  for (const [asn, code] of wanted) expect([...(found.get(asn) ?? [])], asn).toContain(code);
});

/** Networks that use a code which ITU-T E.212 gives to another country: occupied or unrecognised parts, islands. */
const borrowed = new Set([
  "255 MD",
  "255 RU",
  "310 BM",
  "313 PR",
  "338 BM",
  "338 KY",
  "338 LC",
  "338 MS",
]);

test("ANO-12: every network that works has the country that our table of codes gives it", () => {
  const astray = allNetworks()
    .filter(({ type, status, countryCode }) => {
      return type === "National" && status === "Operational" && /^[A-Z]{2}$/.test(countryCode);
    })
    .filter(({ mcc, countryCode }) => !countriesOfMcc(Number(mcc)).includes(countryCode))
    .map(({ mcc, countryCode }) => `${mcc} ${countryCode}`);
  expect(new Set(astray)).toEqual(borrowed);
});
