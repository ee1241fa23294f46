import { describe, expect, test } from "vitest";
import { GeoIpDatabases } from "./databases.ts";
import { unknownAddress } from "./geoip.ts";
import { type MmdbValue, tinyMmdb } from "./tiny-mmdb.ts";

/** One file, of 41.0.0.0/8. */
const fileOf = (record: MmdbValue, type?: string) => [
  { file: "tiny.mmdb", bytes: tinyMmdb([{ prefix: "00101001", record }], type ? { type } : {}) },
];

describe("what mmdb files say of themselves and of addresses", () => {
  const typed = (type: string) => fileOf({}, type);
  const [none, generation] = [[], 1];

  test.each(["GeoLite2-ASN", "GeoIP2-ISP", "DBIP-ASN-Lite", "asn ipv4"])(
    "%s is no database of places",
    (type) => {
      expect(new GeoIpDatabases({ city: none, asn: typed(type), generation })).toBeDefined();
      expect(() => new GeoIpDatabases({ city: typed(type), asn: none, generation })).toThrow(type);
    },
  );

  test.each(["GeoLite2-City", "GeoIP2-Enterprise", "DBIP-Location-ISP (compat=Enterprise)"])(
    "%s is no database of networks",
    (type) => {
      expect(new GeoIpDatabases({ city: typed(type), asn: none, generation })).toBeDefined();
      expect(() => new GeoIpDatabases({ city: none, asn: typed(type), generation })).toThrow(type);
    },
  );

  test("whatever stands in a record, a look-up answers with what can be used", () => {
    const at = { latitude: 14.69, longitude: -17.44 };
    const cityOf = (record: MmdbValue) =>
      new GeoIpDatabases({ city: fileOf(record), asn: none, generation }).lookup("41.1.2.3");
    expect(cityOf({ ...at, city: { names: { en: 7 } } }).place).toMatchObject({ city: "" });
    for (const accuracy_radius of [-5, "x"]) {
      expect(cityOf({ location: { ...at, accuracy_radius } }).place?.radiusKm).toBe(846);
    }
    expect(cityOf({ ...at, state1: 7, timezone: { a: 1 } })).toMatchObject({
      region: null,
      timezone: null,
    });
    expect(cityOf("text").place).toBeNull();
    const named = { autonomous_system_number: "1", autonomous_system_organization: 7 };
    const geoip = new GeoIpDatabases({ city: none, asn: fileOf(named), generation });
    expect(geoip.lookup("41.1.2.3")).toBe(unknownAddress);
  });
});
