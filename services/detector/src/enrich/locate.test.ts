import { cellAround } from "@vigie/core/geohash";
import { type Address, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { describe, expect, test } from "vitest";
import { locateAddress, locateGiven } from "./locate.ts";

const DAKAR = placeAt({ lat: 14.7167, lon: -17.4677 }, 150, "SN", "Dakar", 7);
const addressOf = (organisation: string): Address => ({
  ...unknownAddress,
  ...organisationOf(1, organisation),
  country: "SN",
  place: DAKAR,
});
const sonatel = addressOf("SONATEL-AS");
const SENEGAL = ["SN"];
const FRANCE = ["FR"];

describe("where an address says that the user was", () => {
  test("is its place, with a SIM of that country or without one", () => {
    expect(locateAddress(sonatel, "MOBILE", null)).toBe(DAKAR);
    expect(locateAddress(sonatel, "MOBILE", SENEGAL)).toBe(DAKAR);
    expect(locateAddress(sonatel, "MOBILE", [])).toBe(DAKAR);
  });

  test("is anywhere in its country when the SIM is of another", () => {
    const place = locateAddress(sonatel, "MOBILE", FRANCE);
    expect(place).toMatchObject({ cell: DAKAR.cell, country: "SN", radiusKm: 380 });
    expect(place?.generation).toBe(7);
    expect(locateAddress(sonatel, "MOBILE", FRANCE)).toBe(place);
  });

  test("of a USSD gateway is its country when the SIM is of that country, else nowhere", () => {
    const place = locateAddress(sonatel, "USSD", SENEGAL);
    expect(place).toMatchObject({ country: "SN", city: "", radiusKm: 380, generation: 7 });
    expect(place?.cell).not.toBe(DAKAR.cell);
    expect(locateAddress(sonatel, "USSD", FRANCE)).toBeNull();
    expect(locateAddress(sonatel, "USSD", null)).toBeNull();
  });

  test.each(["NordVPN", "OVH Hosting", "iCloud Private Relay", "SpaceX Starlink"])(
    "of %s is nowhere",
    (organisation) => {
      expect(locateAddress(addressOf(organisation), "WEB", null)).toBeNull();
    },
  );
});

const none = { lat: null, lon: null, accuracy_m: null, country: null, city: null };
const given = (location: Partial<Parameters<typeof locateGiven>[0]>) =>
  locateGiven({ source: "GPS", ...none, ...location }, null, () => sonatel);
const point = { lat: 14.7167, lon: -17.4677 };

describe("where a producer says that the user was", () => {
  test.each([
    ["GPS", null, 0.1],
    ["UNKNOWN", null, 25],
    ["UNKNOWN", 1_000, 1],
    ["GPS", 900_000, 50],
  ] as const)(
    "by %s with an accuracy of %s m is %d km uncertain",
    (source, accuracy_m, radiusKm) => {
      expect(given({ source, ...point, accuracy_m })?.radiusKm).toBe(radiusKm);
    },
  );

  test.each([
    ["ed", 50, 685.7],
    ["ede", 0.1, 108.8],
    ["edeed", 0.1, 3.4],
    ["edeed", 7, 7],
  ])(
    "of the cell %s with an accuracy of %d km is %d km uncertain",
    (geohash, accuracyKm, radiusKm) => {
      const location = {
        source: "GPS",
        ...none,
        ...point,
        accuracy_m: accuracyKm * 1_000,
      } as const;
      expect(locateGiven(location, geohash, () => sonatel)?.radiusKm).toBe(radiusKm);
    },
  );

  test("by country alone is the country as a whole", () => {
    expect(given({ source: "UNKNOWN", country: "NG" })).toMatchObject({
      country: "NG",
      radiusKm: 640,
      isGiven: true,
    });
  });

  test("a SIM's or a phone number's country is where it was bought", () => {
    expect(given({ source: "SIM", country: "SN" })).toBeNull();
    expect(given({ source: "PHONE", country: "SN" })).toBeNull();
  });

  test("what was derived from an address that is no place is none", () => {
    const vpn = () => addressOf("NordVPN");
    expect(locateGiven({ source: "IP", ...none, ...point }, null, vpn)).toBeNull();
  });
});

describe("what an edge cut to less than a city", () => {
  const cut = (length: number, at = point) => cellAround(at, length);
  const ofCell = { source: "GPS", country: "SN" } as const;

  test.each([
    ["country", 2, 0.1, 685.7],
    ["country, the fix itself being poor", 2, 900, 685.7],
    ["region", 3, 0, 108.8],
  ])("without a geohash, cut by an edge to a %s, is the cell as a whole", (_, length, own, km) => {
    const { centre, radiusKm } = cut(length);
    const accuracy_m = Math.round((own + radiusKm) * 1_000);
    expect(given({ ...ofCell, ...centre, accuracy_m })?.radiusKm).toBe(km);
  });

  test("cut to a city counts with its accuracy", () => {
    const { centre, radiusKm } = cut(5);
    const accuracy_m = Math.round(radiusKm * 1_000) + 10;
    expect(given({ ...ofCell, ...centre, accuracy_m })?.radiusKm).toBe(3.4);
  });

  test("beside the centre of a cell, or with less than the cell's radius, is 50 km uncertain at most", () => {
    const { centre, radiusKm } = cut(2);
    const accuracy_m = Math.round(radiusKm * 1_000);
    const beside = { ...ofCell, ...centre, lat: centre.lat + 1e-9, accuracy_m };
    expect(given(beside)?.radiusKm).toBe(50);
    expect(given({ ...ofCell, ...centre, accuracy_m: accuracy_m - 1_000 })?.radiusKm).toBe(50);
    expect(given({ ...ofCell, ...centre, accuracy_m: null })?.radiusKm).toBe(0.1);
  });

  test("on the centre of a country's cell, once cut to a city by an edge, lies on no such centre", () => {
    const { centre } = cut(2);
    expect(cut(5, centre).centre).not.toEqual(centre);
  });
});
