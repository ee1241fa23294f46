import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@vigie/core/log";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { openGeoIp } from "@vigie/geoip/live";
import { openOutbound } from "@vigie/service-kit/http/outbound";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { maxmindSource } from "./maxmind.ts";
import {
  ACCOUNT,
  databaseOf,
  type FakeMaxMind,
  fakeMaxMind,
  type Release,
  releaseOf,
  releaseOfTar,
  tarOf,
} from "./testing.ts";
import { type UpdateOptions, updateAll } from "./update.ts";

const CITY = "GeoLite2-City";
const ASN = "GeoLite2-ASN";
const MAY = Date.UTC(2026, 4, 1, 13, 42, 7);
const JUNE = Date.UTC(2026, 5, 2, 9);

const outbound = openOutbound({ allowPrivate: true, timeoutMs: 5_000 });
let maxmind: FakeMaxMind;
let folder: string;
const lines: { readonly edition?: string; readonly why?: string; readonly event: string }[] = [];
const keep = (fields: object, event: string) => void lines.push({ ...fields, event });
const log = { ...silentLogger, info: keep, error: keep };

beforeAll(async () => {
  maxmind = await fakeMaxMind();
});
afterAll(async () => {
  await maxmind.close();
  await outbound.close();
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vigie-geoip-update-"));
  lines.length = 0;
  maxmind.instead.clear();
  maxmind.releases.clear();
  maxmind.asked.length = 0;
  release(CITY, "Thiès", MAY);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function release(edition: string, city: string, builtAtMs: number, over: Partial<Release> = {}) {
  const made = releaseOf(edition, builtAtMs, databaseOf(edition, city, builtAtMs));
  maxmind.releases.set(edition, { ...made, ...over });
}

const source = (over: object = {}) =>
  maxmindSource(outbound, {
    ...ACCOUNT,
    baseUrl: maxmind.url,
    fileHosts: [maxmind.fileHost],
    ...over,
  });

const update = (over: Partial<UpdateOptions> = {}) =>
  updateAll({ source: source(), folder, editions: [CITY], log, clock: Date.now, ...over });

const pathOf = (edition: string) => join(folder, `${edition}.mmdb`);
const inPlace = () => readFileSync(pathOf(CITY));

describe("DEP-13: databases of MaxMind", () => {
  test("are fetched, put in place under the time they were built, and left alone until newer ones exist", async () => {
    release(ASN, "SONATEL", MAY);
    const editions = [CITY, ASN];
    expect(await update({ editions })).toEqual({ replaced: 2, current: 0, failed: 0 });
    expect(readdirSync(folder).sort()).toEqual([`${ASN}.mmdb`, `${CITY}.mmdb`]);
    expect(inPlace()).toEqual(databaseOf(CITY, "Thiès", MAY));
    expect(statSync(pathOf(CITY)).mtimeMs).toBe(MAY);

    maxmind.asked.length = 0;
    expect(await update({ editions })).toEqual({ replaced: 0, current: 2, failed: 0 });
    expect(maxmind.asked.map((each) => each.split(" ")[0])).toEqual(["HEAD", "HEAD"]);

    release(CITY, "Dakar", JUNE);
    expect(await update({ editions })).toEqual({ replaced: 1, current: 1, failed: 0 });
    expect(inPlace()).toEqual(databaseOf(CITY, "Dakar", JUNE));
  });

  test("are answered from by a service that runs, and by nothing before they are in place", async () => {
    release(ASN, "SONATEL", MAY);
    const editions = [CITY, ASN];
    await update({ editions });
    const geoip = await openGeoIp({ city: [pathOf(CITY)], asn: [pathOf(ASN)] }, silentLogger);
    const cityNow = () => geoip.lookup("41.82.0.1").place?.city;
    expect(cityNow()).toBe("Thiès");
    expect(geoip.data().city).toMatchObject({ builtAtMs: MAY - (MAY % 1_000) });
    release(CITY, "Dakar", JUNE, { sha256: "0".repeat(64) });
    expect(await update({ editions })).toMatchObject({ failed: 1 });
    expect(await geoip.look()).toBe(false);
    release(CITY, "Dakar", JUNE);
    await update({ editions });
    expect(await geoip.look()).toBe(true);
    expect(cityNow()).toBe("Dakar");
    await geoip.close();
  });

  test("are fetched again when the file in place is not the one that was put there", async () => {
    await update();
    utimesSync(pathOf(CITY), new Date(), new Date());
    expect(await update()).toMatchObject({ replaced: 1 });
  });

  test("go on when one of them cannot be had", async () => {
    const editions = ["GeoIP2-City", CITY];
    expect(await update({ editions })).toEqual({ replaced: 1, current: 0, failed: 1 });
    expect(lines.map(({ event }) => event)).toEqual(["geoip_update_failed", "geoip_replaced"]);
    expect(lines[0]).toMatchObject({ edition: "GeoIP2-City", code: "VIG_GEOIP_UPDATE_FAILED" });
  });

  test("leave nothing behind of a run that was killed, and what another one writes", async () => {
    const [old, young] = [".GeoLite2-City.1.part", ".GeoLite2-City.2.part"];
    for (const name of [old, young]) writeFileSync(join(folder, name), "half");
    const hourAgo = new Date(Date.now() - HOUR_MS);
    utimesSync(join(folder, old), hourAgo, hourAgo);
    await update();
    expect(readdirSync(folder).sort()).toEqual([young, `${CITY}.mmdb`]);
  });
});

/** The status to a GET of a permalink, or to whatever begins with `start`. */
const answers = (status: number, headers = {}, start = "GET /geoip") => {
  maxmind.instead.set(start, (_, response) => response.writeHead(status, headers).end());
};
const files = (answer: (response: ServerResponse) => void) => {
  maxmind.instead.set(`GET /${CITY}/tar.gz?`, (_, response) => answer(response));
};
const database = databaseOf(CITY, "Dakar", JUNE);

const faults: readonly (readonly [name: string, why: RegExp, plant: () => void])[] = [
  [
    "an archive of another checksum",
    /its checksum is another one/,
    () => release(CITY, "Dakar", JUNE, { sha256: "a".repeat(64) }),
  ],
  [
    "an archive that is cut off",
    /VIG_(GEOIP_UPDATE_FAILED|OUTBOUND_AWAY)/,
    () =>
      files((response) => {
        response.writeHead(200, { "content-length": "9999" });
        response.write(maxmind.releases.get(CITY)?.archive.subarray(0, 100));
        response.socket?.end();
      }),
  ],
  ["an answer that is no archive", /incorrect header/, () => files((r) => r.end("<html>"))],
  [
    "an archive without the database",
    /has no GeoLite2-City.mmdb/,
    () =>
      maxmind.releases.set(
        CITY,
        releaseOfTar(JUNE, tarOf([{ name: "x/other.mmdb", bytes: database }])),
      ),
  ],
  [
    "a database that is none",
    /it is no mmdb file/,
    () => maxmind.releases.set(CITY, releaseOf(CITY, JUNE, database.subarray(0, -40))),
  ],
  [
    "a database of another kind",
    /it calls itself GeoLite2-ASN/,
    () => maxmind.releases.set(CITY, releaseOf(CITY, JUNE, databaseOf(ASN, "x", JUNE))),
  ],
  [
    "a database that hardly knows an address",
    /it knows 95 of 223 addresses/,
    () => {
      const half = Buffer.from(database);
      // Latitude and longitude go by other names, so no address has a place.
      half.write("lbtitude", half.indexOf("latitude"));
      maxmind.releases.set(CITY, releaseOf(CITY, JUNE, half));
    },
  ],
  [
    "a checksum that is none",
    /its checksum is none/,
    () => release(CITY, "x", JUNE, { sha256: "" }),
  ],
  [
    "a checksum without an end",
    /its checksum is none/,
    () => {
      maxmind.instead.set(`GET /${CITY}/tar.gz.sha256`, (_, response) => {
        const more = (ended?: Error | null): void => {
          if (!ended) response.write("x".repeat(10_000), more);
        };
        more();
      });
    },
  ],
  [
    "another account",
    /the account or its licence key is not accepted/,
    () => answers(401, {}, "HEAD"),
  ],
  ["a day with too many downloads", /downloads of 24 hours/, () => answers(429)],
  ["a server that is ill", /MaxMind answered 503/, () => answers(503)],
  [
    "a host that nobody allowed",
    /said to be at evil\.example, which is not allowed/,
    () => answers(302, { location: "https://evil.example/x" }),
  ],
  [
    "a redirect to nowhere",
    /said to be at no address/,
    () => answers(302, { location: "http://" }),
  ],
  [
    "a host that sends on again",
    /its file's host answered 302/,
    () => files((r) => r.writeHead(302, { location: "/elsewhere" }).end()),
  ],
  ["no date", /nothing says when it was built/, () => answers(200, {}, "HEAD")],
];

describe("is refused, and what is in place stays:", () => {
  test.each(faults)("%s", async (_, why, plant) => {
    await update();
    release(CITY, "Dakar", JUNE);
    lines.length = 0;
    plant();
    expect(await update()).toEqual({ replaced: 0, current: 0, failed: 1 });
    expect(lines[0]?.why).toMatch(why);
    expect(inPlace()).toEqual(databaseOf(CITY, "Thiès", MAY));
    expect(readdirSync(folder)).toEqual([`${CITY}.mmdb`]);
    expect(JSON.stringify(lines)).not.toContain(ACCOUNT.licenceKey);
  });

  test("an archive that unpacks without end", async () => {
    expect(await update({ bytesMax: 1_000 })).toMatchObject({ failed: 1 });
    expect(lines[0]?.why).toMatch(/larger than 1000 bytes/);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each(["timeout", "stop"])("a download that never ends, at its %s", async (ending) => {
    const stopping = new AbortController();
    files((response) => {
      response.write(maxmind.releases.get(CITY)?.archive.subarray(0, 100), () => {
        if (ending === "stop") stopping.abort();
      });
    });
    const timeoutMs = ending === "timeout" ? 200 : MINUTE_MS;
    expect(await update({ timeoutMs, signal: stopping.signal })).toMatchObject({ failed: 1 });
    expect(readdirSync(folder)).toEqual([]);
  });

  test("what is reached at an address of this network, unless a developer says so", async () => {
    const strict = openOutbound({ allowPrivate: false });
    const account = { ...ACCOUNT, fileHosts: [maxmind.fileHost] };
    const refusing = maxmindSource(strict, { ...account, baseUrl: "https://127.0.0.1:1" });
    expect(await update({ source: refusing })).toMatchObject({ failed: 1 });
    expect(lines[0]).toMatchObject({ code: "VIG_OUTBOUND_REFUSED" });
    await strict.close();
  });
});
