import { databaseOfMmdb, type GeoData } from "@vigie/geoip/data";
import { geoPaths, readGeoFiles } from "@vigie/geoip/files";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import type { FastifyInstance } from "fastify";
import { expect, test } from "vitest";
import { geoipOf, testGeo } from "../test-geo.ts";

const namesOf = (credits: readonly { readonly name: string }[]) => credits.map(({ name }) => name);

const { data: dbIp } = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));

function dataOf(type: string): GeoData {
  const bytes = tinyMmdb([{ prefix: "0", record: { country_code: "SN" } }], { type });
  const database = databaseOfMmdb([{ file: "city.mmdb", bytes }]);
  return { city: database, network: database };
}

const asked = async (app: FastifyInstance) => (await app.inject("/v1/geo/attribution")).json();

test("DB-IP is named, with its link, without a token", async () => {
  const { app } = testGeo({ geoip: { ...geoipOf(), data: () => dbIp } });
  const { credits } = await asked(app);
  expect(namesOf(credits)).toEqual(["DB-IP", "RouteViews", "NRO"]);
  expect(credits[0]).toEqual({
    name: "DB-IP",
    text: "IP Geolocation by DB-IP",
    url: "https://db-ip.com",
    licence: "CC BY 4.0",
    licenceUrl: "https://creativecommons.org/licenses/by/4.0/",
  });
});

test("MaxMind is named once its free data answers, nobody for data that was paid for, and the pages of the API name neither", async () => {
  let data = dbIp;
  const { app } = testGeo({ geoip: { ...geoipOf(), data: () => data } });
  expect(namesOf((await asked(app)).credits)).toContain("DB-IP");
  data = dataOf("GeoLite2-City");
  expect(namesOf((await asked(app)).credits)).toEqual(["MaxMind"]);
  const { info } = (await app.inject("/docs/json")).json();
  expect(info.description).toContain("`GET /v1/geo/attribution`");
  expect(info.description).not.toMatch(/DB-IP|MaxMind/);
  data = dataOf("GeoIP2-City");
  expect(namesOf((await asked(app)).credits)).toEqual([]);
});
