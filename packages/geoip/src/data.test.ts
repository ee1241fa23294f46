import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { databaseOfCsv, databaseOfMmdb } from "./data.ts";
import { geoPaths, readGeoFiles } from "./files.ts";
import type { GeoFile } from "./geoip.ts";
import { type MmdbOptions, tinyMmdb } from "./tiny-mmdb.ts";

const folder = mkdtempSync(join(tmpdir(), "vigie-geoip-data-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const mmdb = (options: MmdbOptions): GeoFile => ({
  file: "city.mmdb",
  bytes: tinyMmdb([{ prefix: "0", record: { country_code: "SN" } }], options),
});
const MAY = Date.UTC(2026, 4, 1);
const JUNE = Date.UTC(2026, 5, 1);

test("the data from npm says when it was built and who is to be named", async () => {
  const { city, network } = (await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }))).data;
  expect(city.builtAtMs).toBe(Date.UTC(2026, 5, 5, 13, 42, 2));
  expect(city.credits.map(({ name }) => name)).toEqual(["DB-IP"]);
  expect(network.builtAtMs).toBe(Date.UTC(2026, 5, 17, 19));
  expect(network.credits.map(({ name }) => name)).toEqual(["RouteViews", "NRO", "DB-IP"]);
});

test.each([
  ["GeoLite2-City", ["MaxMind"]],
  ["GeoLite2-ASN", ["MaxMind"]],
  ["DBIP-City-Lite (compat=City)", ["DB-IP"]],
  ["GeoIP2-City", []],
])("of %s are named: %j", (type, names) => {
  const { credits } = databaseOfMmdb([mmdb({ type })]);
  expect(credits.map(({ name }) => name)).toEqual(names);
});

test("of several files the oldest one counts, and who made both is named once", () => {
  const files = [JUNE, MAY].map((builtAtMs) => mmdb({ type: "GeoLite2-City", builtAtMs }));
  expect(databaseOfMmdb(files)).toMatchObject({ builtAtMs: MAY, credits: [{ name: "MaxMind" }] });
});

test("what says nothing of its age has none", async () => {
  expect(databaseOfMmdb([{ file: "none.mmdb", bytes: Buffer.from("no mmdb") }])).toEqual({
    builtAtMs: null,
    credits: [],
  });
  const csv = join(folder, "asn.csv");
  writeFileSync(csv, "41.0.0.0,41.255.255.255,1,One\n");
  expect((await databaseOfCsv([csv])).builtAtMs).toBe(null);
});

test.each([
  ['{"version":"2.3.2026061719"}', Date.UTC(2026, 5, 17, 19)],
  ['{"version":"2.3.1"}', null],
  ["{}", null],
  ["half a fi", null],
])("a table beside a package of %s was built at %s", async (text, builtAtMs) => {
  const place = join(folder, `package-${text.length}`);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, "package.json"), text);
  expect((await databaseOfCsv([join(place, "asn.csv")])).builtAtMs).toBe(builtAtMs);
});
