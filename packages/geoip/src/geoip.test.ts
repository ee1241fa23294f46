import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gridCellOf } from "@vigie/core/geo";
import { silentLogger } from "@vigie/core/log";
import { eventually } from "@vigie/testkit/eventually";
import { afterAll, describe, expect, test } from "vitest";
import { parseAsnCsv } from "./asn-ranges.ts";
import { cityOfRecord } from "./city-db.ts";
import { GeoIpDatabases } from "./databases.ts";
import {
  followGeoFiles,
  geoPaths,
  openShared,
  readGeoFiles,
  tellGeoFiles,
  watchGeoFiles,
} from "./files.ts";
import { type GeoFile, organisationOf, unknownAddress } from "./geoip.ts";
import { tinyMmdb } from "./tiny-mmdb.ts";
import { TwoGenerations } from "./two-generations.ts";

const folder = mkdtempSync(join(tmpdir(), "vigie-geoip-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** 41.0.0.0/8 */
const PREFIX = "00101001";
const dakar = {
  city: { names: { en: "Dakar" } },
  country: { iso_code: "SN" },
  location: { latitude: 14.69, longitude: -17.44, accuracy_radius: 20 },
};
const mmdb = (record: Parameters<typeof tinyMmdb>[0][0]["record"], more = {}): GeoFile => ({
  file: "city.mmdb",
  bytes: tinyMmdb([{ prefix: PREFIX, record }], more),
});
const csv = (text: string): GeoFile => ({ file: "asn.csv", bytes: Buffer.from(text) });

describe("the data from npm", async () => {
  const files = openShared(await readGeoFiles(geoPaths({ cityPath: null, asnPath: null })));
  const geoip = new GeoIpDatabases(files);

  test("knows a phone of Dakar and who connects it", () => {
    const { place, region, timezone, organisation, anonymous } = geoip.lookup("41.82.0.1");
    expect(place).toMatchObject({ country: "SN", radiusKm: 150 });
    expect({ region, timezone }).toEqual({ region: "Dakar", timezone: null });
    expect(organisation).toContain("SONATEL");
    expect(anonymous).toBe(false);
  });

  test("knows v6 addresses, and v4 ones written as v6", () => {
    expect(geoip.lookup("2a01:e0a::1").place?.country).toBe("FR");
    expect(geoip.lookup("2a01:e0a::1").organisation).not.toBeNull();
    expect(geoip.lookup("::ffff:90.1.0.1").place?.country).toBe("FR");
    expect(geoip.lookup("::ffff:90.1.0.1")).toEqual(geoip.lookup("90.1.0.1"));
  });

  test.each(["10.0.0.1", "fe80::1", "", "41.82.0", "999.1.1.1", "dakar", "::ffff:192.168.0.1"])(
    "knows nothing of %j",
    (ip) => {
      expect(geoip.lookup(ip)).toBe(unknownAddress);
    },
  );
});

describe("mmdb files", () => {
  test.each([24, 28, 32] as const)(
    "GeoLite2's fields and own radius, %i-bit records",
    (recordSize) => {
      const geoip = new GeoIpDatabases({
        city: [mmdb(dakar, { recordSize })],
        asn: [],
        generation: 1,
      });
      expect(geoip.lookup("41.1.2.3").place).toMatchObject({
        cell: gridCellOf({ lat: 14.69, lon: -17.44 }),
        radiusKm: 20,
        country: "SN",
        city: "Dakar",
        generation: 1,
      });
      expect(geoip.lookup("42.1.2.3")).toBe(unknownAddress);
    },
  );

  test("a v4 address in a file for both families", () => {
    const bytes = tinyMmdb([{ prefix: "0".repeat(96) + PREFIX, record: dakar }], { ipVersion: 6 });
    const geoip = new GeoIpDatabases({
      city: [{ file: "both.mmdb", bytes }],
      asn: [],
      generation: 1,
    });
    expect(geoip.lookup("41.1.2.3").place?.city).toBe("Dakar");
    expect(geoip.lookup("2a01:e0a::1")).toBe(unknownAddress);
  });

  test("an address without a city is as uncertain as its country is large", () => {
    const country = (code: string) => ({ country_code: code, latitude: 14.5, longitude: -14.4 });
    const radius = (code: string) =>
      new GeoIpDatabases({ city: [mmdb(country(code))], asn: [], generation: 1 }).lookup("41.1.2.3")
        .place?.radiusKm;
    expect(radius("SN")).toBe(380);
    expect(radius("NG")).toBe(640);
    expect(radius("RU")).toBeGreaterThan(3_000);
    expect(radius("LU")).toBe(50);
    expect(radius("ZZ")).toBe(846);
  });

  test("a record without coordinates is no place", () => {
    const geoip = new GeoIpDatabases({
      city: [mmdb({ country: { iso_code: "SN" } })],
      asn: [],
      generation: 1,
    });
    expect(geoip.lookup("41.1.2.3").place).toBeNull();
  });

  test("networks come from an mmdb too", () => {
    const record = { autonomous_system_number: 1, autonomous_system_organization: "Some Hosting" };
    const asn = { file: "asn.mmdb", bytes: tinyMmdb([{ prefix: PREFIX, record }]) };
    expect(new GeoIpDatabases({ city: [], asn: [asn], generation: 1 }).lookup("41.1.2.3")).toEqual({
      place: null,
      country: null,
      region: null,
      timezone: null,
      asn: 1,
      organisation: "Some Hosting",
      anonymous: true,
      isVpn: true,
      isAnchor: false,
    });
  });

  test.each([
    ["garbage", Buffer.from("garbage")],
    ["an empty file", Buffer.alloc(0)],
    ["a file cut off in the middle", tinyMmdb([{ prefix: PREFIX, record: dakar }]).subarray(40)],
  ])("%s is refused", (_what, bytes) => {
    const city = [{ file: "city.mmdb", bytes }];
    expect(() => new GeoIpDatabases({ city, asn: [], generation: 1 })).toThrow(
      "VIG_GEOIP_INVALID: city.mmdb",
    );
  });
});

test("GEO-13: region and time zone come along, of GeoLite2's fields, too", () => {
  const flat = { country_code: "SN", latitude: 14.7, longitude: -17.4, state1: "Dakar" };
  expect(cityOfRecord({ ...flat, timezone: "" }, 1)).toMatchObject({
    region: "Dakar",
    timezone: null,
  });
  const nested = {
    ...dakar,
    location: { ...dakar.location, time_zone: "Africa/Dakar" },
    subdivisions: [{ iso_code: "DK", names: { en: "Dakar Region", fr: "Région de Dakar" } }],
  };
  expect(cityOfRecord(nested, 1)).toMatchObject({
    region: "Dakar Region",
    timezone: "Africa/Dakar",
  });
  expect(cityOfRecord(dakar, 1)).toMatchObject({ region: null, timezone: null });
});

describe("networks as CSV", () => {
  const found = (text: string, ip: string): string | null =>
    new GeoIpDatabases({ city: [], asn: parseAsnCsv([csv(text)]), generation: 1 }).lookup(ip)
      .organisation;
  const lines =
    '41.0.0.0,41.0.0.255,1,"One, ""Ltd"""\n41.0.2.0,41.0.3.255,2,Two\r\n2a01::,2a01:0:ffff:ffff:ffff:ffff:ffff:ffff,2,Two\n';

  test.each([
    ["41.0.0.0", 'One, "Ltd"'],
    ["41.0.0.255", 'One, "Ltd"'],
    ["41.0.1.0", null],
    ["40.255.255.255", null],
    ["41.0.3.255", "Two"],
    ["41.0.4.0", null],
    ["2a01::1", "Two"],
    ["2a01:0:ffff::1", "Two"],
    ["2a01:1::", null],
    ["2a00:ffff::", null],
  ])("%s is announced by %s", (ip, name) => {
    expect(found(lines, ip)).toBe(name);
  });

  test.each([
    "",
    "41.0.0.0,41.0.0.255",
    "41.0.0,41.0.0.255,1,One",
    "41.0.0.0,41.0.0.255,x,One",
    "41.0.0.256,41.0.1.255,1,One",
    "2a01::g,2a01::1,1,One",
    "41.1.0.0,41.1.0.255,1,One\n41.0.0.0,41.0.0.255,2,Two",
  ])("%j is refused", (text) => {
    expect(() => found(text, "41.0.0.1")).toThrow("VIG_GEOIP_INVALID: asn.csv");
  });

  test.each(["NordVPN", "Some Proxy Ltd", "OVH Hosting", "iCloud Private Relay"])(
    "%s is no user's network",
    (name) => {
      expect(organisationOf(1, name)).toMatchObject({ anonymous: true, isAnchor: false });
    },
  );

  test.each(["Orange S.A.", "The Cloud Network Limited", "Titan DataCenters France SAS"])(
    "%s may be a user's network",
    (name) => {
      expect(organisationOf(1, name)).toMatchObject({ anonymous: false, isAnchor: true });
    },
  );
});

test.each([
  [60_068, "Datacamp Limited"],
  [9_009, "M247 Europe SRL"],
])("AS%i, %s, is no user's network: a list says so", (asn, name) => {
  expect(organisationOf(asn, name)).toMatchObject({
    anonymous: true,
    isVpn: true,
    isAnchor: false,
  });
  expect(organisationOf(null, name)).toMatchObject({ isVpn: false, isAnchor: true });
});

test.each([
  [16_509, "Amazon.com, Inc."],
  [16_276, "OVH SAS"],
])("AS%i, %s, is told of, and a position all the same", (asn, name) => {
  expect(organisationOf(asn, name)).toMatchObject({
    anonymous: false,
    isVpn: true,
    isAnchor: true,
  });
});

test.each([
  "SpaceX Starlink",
  "ViaSat,Inc.",
  "Hughes Network Systems, LLC",
  "IRIDIUM SATELLITE,LLC",
])("%s: a ground station is no place of its subscribers, who hide nothing", (name) => {
  expect(organisationOf(1, name)).toMatchObject({
    anonymous: false,
    isVpn: false,
    isAnchor: false,
  });
});

test.each(["INTELSAT GLOBAL SERVICE CORPORATION", "Baker Hughes Incorporated"])(
  "%s is placed where it is",
  (name) => {
    expect(organisationOf(1, name).isAnchor).toBe(true);
  },
);

describe("a file that changes", () => {
  const cityFile = join(folder, "city.mmdb");
  const asnFile = join(folder, "asn.csv");
  const write = (bytes: Buffer): void => writeFileSync(cityFile, bytes);
  const paths = { city: [cityFile], asn: [asnFile] };
  writeFileSync(asnFile, "41.0.0.0,41.255.255.255,1,One\n");

  test("is taken; a corrupt one is refused and the old one stays", async () => {
    write(tinyMmdb([{ prefix: PREFIX, record: dakar }]));
    const first = await readGeoFiles(paths);
    const geoip = new GeoIpDatabases(openShared(first));
    const refused: string[] = [];
    const log = { ...silentLogger, error: (_: object, text: string) => refused.push(text) };
    const teller = tellGeoFiles();
    const watch = watchGeoFiles(paths, first, teller.tell, log);
    const following = followGeoFiles((files) => geoip.replace(openShared(files)));
    const cityNow = () => geoip.lookup("41.1.2.3").place?.city;
    const generationNow = () => geoip.lookup("41.1.2.3").place?.generation;
    expect(await watch.look()).toBe(false);
    expect(cityNow()).toBe("Dakar");
    const ofDakar = generationNow();

    const thies = { ...dakar, city: { names: { en: "Thiès" } } };
    write(tinyMmdb([{ prefix: PREFIX, record: thies }]));
    expect(await watch.look()).toBe(true);
    await eventually(() => expect(cityNow()).toBe("Thiès"));
    expect(generationNow()).not.toBe(ofDakar);

    write(Buffer.from("half a file"));
    expect(await watch.look()).toBe(false);
    expect(refused).toEqual(["geoip_refused"]);
    expect(cityNow()).toBe("Thiès");

    rmSync(cityFile);
    expect(await watch.look()).toBe(false);
    write(tinyMmdb([{ prefix: PREFIX, record: dakar }]));
    expect(await watch.look()).toBe(true);
    await eventually(() => expect(cityNow()).toBe("Dakar"));
    expect(generationNow()).toBe(ofDakar);
    following.close();
    await teller.close();
    await watch.close();
  });

  test("who looks while another one looks has what that one found", async () => {
    const told: unknown[] = [];
    write(tinyMmdb([{ prefix: PREFIX, record: dakar }]));
    const first = await readGeoFiles(paths);
    const watch = watchGeoFiles(paths, first, (files) => told.push(files), silentLogger);
    await watch.look();
    write(tinyMmdb([{ prefix: PREFIX, record: { ...dakar, city: { names: { en: "Thiès" } } } }]));
    const looking = watch.look();
    expect(await watch.look()).toBe(false);
    expect(told).toHaveLength(1);
    expect(await looking).toBe(true);
    await watch.close();
  });

  test("one that is replaced before anybody watches is taken by the first look", async () => {
    write(tinyMmdb([{ prefix: PREFIX, record: dakar }]));
    const first = await readGeoFiles(paths);
    write(tinyMmdb([{ prefix: PREFIX, record: { ...dakar, city: { names: { en: "Thiès" } } } }]));
    const watch = watchGeoFiles(paths, first, () => {}, silentLogger);
    expect(await watch.look()).toBe(true);
    await watch.close();
  });

  test("a missing one is named", async () => {
    const missing = { city: [join(folder, "none.mmdb")], asn: [] };
    await expect(readGeoFiles(missing)).rejects.toThrow(/VIG_GEOIP_INVALID: .*none\.mmdb/);
  });
});

test("any byte of any file makes another generation, of 16 bits; the same ones elsewhere do not", async () => {
  const city = tinyMmdb([{ prefix: PREFIX, record: dakar }]);
  const asn = "41.0.0.0,41.255.255.255,1,One\n";
  const generationIn = async (name: string, cityBytes: Buffer, asnText: string) => {
    const paths = { city: [join(folder, `${name}.mmdb`)], asn: [join(folder, `${name}.csv`)] };
    writeFileSync(paths.city[0] as string, cityBytes);
    writeFileSync(paths.asn[0] as string, asnText);
    return openShared(await readGeoFiles(paths)).generation;
  };
  const generation = await generationIn("here", city, asn);
  expect(await generationIn("there", city, asn)).toBe(generation);
  const seen = new Set([
    generation,
    await generationIn("here", city, `${asn}42.0.0.0,42.0.0.9,2,Two\n`),
  ]);
  for (let i = 0; i < 40; i++) {
    const changed = Buffer.from(city);
    const at = Math.floor((i / 40) * city.length);
    changed[at] = (changed[at] as number) ^ 1;
    seen.add(await generationIn("here", changed, asn));
  }
  expect(seen.size).toBe(42);
  expect(Math.min(...seen)).toBeGreaterThanOrEqual(1);
  expect(Math.max(...seen)).toBeLessThanOrEqual(0xffff);
});

test("two generations keep what is used and never more than their limit", () => {
  const cache = new TwoGenerations<number, number>(10);
  for (let i = 0; i < 1_000; i++) {
    cache.set(i, i);
    expect(cache.get(0)).toBe(0);
    expect(cache.size).toBeLessThanOrEqual(10);
  }
  expect(cache.get(500)).toBeUndefined();
});
