import { databaseOfMmdb } from "@vigie/geoip/data";
import { geoPaths, readGeoFiles } from "@vigie/geoip/files";
import { tinyMmdb } from "@vigie/geoip/tiny-mmdb";
import { expect, test } from "vitest";
import { geoipOf, testGeo } from "../test-geo.ts";

const namesOf = (credits: readonly { readonly name: string }[]) => credits.map(({ name }) => name);

async function told(type: string | null) {
  let { data } = await readGeoFiles(geoPaths({ cityPath: null, asnPath: null }));
  if (type !== null) {
    const bytes = tinyMmdb([{ prefix: "0", record: { country_code: "SN" } }], { type });
    const database = databaseOfMmdb([{ file: "city.mmdb", bytes }]);
    data = { city: database, network: database };
  }
  const { app } = testGeo({ geoip: { ...geoipOf(), data: () => data } });
  const answer = await app.inject("/v1/geo/attribution");
  const { info } = (await app.inject("/docs/json")).json();
  return { answer, info };
}

test("DB-IP is named, with its link, in the answer and on the pages of the API, without a token", async () => {
  const { answer, info } = await told(null);
  expect(answer.statusCode).toBe(200);
  const { credits } = answer.json();
  expect(namesOf(credits)).toEqual(["DB-IP", "RouteViews", "NRO"]);
  expect(credits[0]).toEqual({
    name: "DB-IP",
    text: "IP Geolocation by DB-IP",
    url: "https://db-ip.com",
    licence: "CC BY 4.0",
    licenceUrl: "https://creativecommons.org/licenses/by/4.0/",
  });
  expect(info.description).toContain("[IP Geolocation by DB-IP](https://db-ip.com)");
});

test("MaxMind is named when its free data answers, and nobody for data that was paid for", async () => {
  const free = await told("GeoLite2-City");
  expect(namesOf(free.answer.json().credits)).toEqual(["MaxMind"]);
  expect(free.info.description).toContain("GeoLite data created by MaxMind");
  const paid = await told("GeoIP2-City");
  expect(namesOf(paid.answer.json().credits)).toEqual([]);
});
