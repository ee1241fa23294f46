import { type Address, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { describe, expect, test } from "vitest";
import { Countries, seededCountries } from "#countries/countries";
import { seed } from "#countries/matrix";
import { detect, type Signs } from "./detection.ts";

const dakar: Address = {
  ...unknownAddress,
  place: placeAt({ lat: 14.69, lon: -17.44 }, 150, "SN", "Dakar"),
  country: "SN",
  region: "Dakar",
  ...organisationOf(8346, "SONATEL-AS Autonomous System"),
  organisation: "SONATEL-AS Autonomous System",
};
const paris: Address = {
  ...unknownAddress,
  place: placeAt({ lat: 48.85, lon: 2.35 }, 150, "FR", "Paris"),
  country: "FR",
  region: "Île-de-France",
  timezone: "Europe/Paris",
  ...organisationOf(16276, "OVH SAS Hosting"),
  organisation: "OVH SAS Hosting",
};
const addresses: Readonly<Record<string, Address>> = { "41.82.0.1": dakar, "51.0.0.1": paris };
const geoip = { lookup: (ip: string) => addresses[ip] ?? unknownAddress };

const found = (signs: Signs, countries = seededCountries) => detect(signs, { countries, geoip });

test("GEO-14: a phone number, a SIM and an address of Senegal: SN by phone", () => {
  expect(found({ phone: "+221771234567", mcc: 608, mnc: 1, ip: "41.82.0.1" })).toEqual({
    country: "SN",
    detectionMethod: "phone",
    active: true,
    countryData: seed[0],
    geoData: {
      city: "Dakar",
      region: "Dakar",
      timezone: "Africa/Dakar",
      isVpn: false,
      isMobile: true,
      carrier: "Orange",
    },
    candidates: { phone: ["SN"], sim: ["SN"], ip: ["SN"] },
    mismatch: [],
  });
});

test("ANO-12: a SIM of Senegal at an address in France is told", () => {
  const { country, detectionMethod, mismatch, geoData } = found({ mcc: 608, ip: "51.0.0.1" });
  expect({ country, detectionMethod }).toEqual({ country: "SN", detectionMethod: "sim" });
  expect(mismatch).toEqual([{ methods: ["sim", "ip"], countries: [["SN"], ["FR"]] }]);
  // Where the address is says nothing of where in Senegal.
  expect(geoData).toMatchObject({ city: null, region: null, timezone: "Africa/Dakar" });
  expect(geoData.isVpn).toBe(true);
});

describe("geoData", () => {
  test("the zone of the address wins over that of its country", () => {
    const moved = { ...paris, timezone: "Indian/Reunion" };
    const { geoData } = detect(
      { ip: "51.0.0.1" },
      { countries: seededCountries, geoip: { lookup: () => moved } },
    );
    expect(geoData).toMatchObject({ city: "Paris", timezone: "Indian/Reunion" });
  });

  test("an address of a carrier's phones is mobile, one of others not", () => {
    expect(found({ ip: "41.82.0.1" }).geoData.isMobile).toBe(true);
    expect(found({ ip: "51.0.0.1" }).geoData.isMobile).toBe(false);
    expect(found({ ip: "51.0.0.1", mcc: 208 }).geoData.isMobile).toBe(true);
    expect(found({ mcc: 999 }).geoData.isMobile).toBe(false);
  });

  test("a network is named where the matrix knows it", () => {
    expect(found({ mcc: 620, mnc: 6 }).geoData.carrier).toBe("AirtelTigo");
    expect(found({ mcc: 620, mnc: 99 }).geoData.carrier).toBeNull();
    expect(found({ mnc: 1 }).geoData.carrier).toBeNull();
  });
});

describe("GEO-01: countries that are not served", () => {
  test("one that is inactive is told as such", () => {
    const { country, active, countryData } = found({ phone: "+22365012345" });
    expect({ country, active, data: countryData?.code }).toEqual({
      country: "ML",
      active: false,
      data: "ML",
    });
  });

  test("one that is not in the matrix is told without data", () => {
    expect(found({ mcc: 262 })).toMatchObject({ country: "DE", active: false, countryData: null });
  });

  test("none", () => {
    expect(found({ phone: "garbage", ip: "10.0.0.1", mcc: 999 })).toMatchObject({
      country: null,
      detectionMethod: null,
      active: false,
      countryData: null,
      candidates: { phone: [], sim: [], ip: [] },
      mismatch: [],
    });
  });

  test("one that was made active since is served", () => {
    const later = new Countries(seed.map((country) => ({ ...country, active: true })));
    expect(found({ phone: "+22365012345" }, later).active).toBe(true);
  });
});
