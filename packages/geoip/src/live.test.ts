import { mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { silentLogger } from "@vigie/core/log";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LiveGeoIp, openGeoIp } from "./live.ts";
import { tinyMmdb } from "./tiny-mmdb.ts";

const folder = mkdtempSync(join(tmpdir(), "vigie-geoip-live-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const paths = { city: [join(folder, "city.mmdb")], asn: [join(folder, "asn.mmdb")] };
const [cityPath] = paths.city as [string];
const [asnPath] = paths.asn as [string];

/** 41.0.0.0/8 and 42.0.0.0/8, one city and one network for both. */
function built(month: number): { readonly city: Buffer; readonly asn: Buffer } {
  const builtAtMs = Date.UTC(2026, month, 1);
  const both = (record: object) =>
    ["00101001", "00101010"].map((prefix) => ({ prefix, record: record as { city: string } }));
  const city = { city: `city ${month}`, country_code: "SN", latitude: 14.7, longitude: -17.4 };
  const asn = {
    autonomous_system_number: month,
    autonomous_system_organization: `network ${month}`,
  };
  return {
    city: tinyMmdb(both(city), { type: "GeoLite2-City", builtAtMs }),
    asn: tinyMmdb(both(asn), { type: "GeoLite2-ASN", builtAtMs }),
  };
}

function put(path: string, bytes: Buffer): void {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

const refused: string[] = [];
const log = { ...silentLogger, error: (_: object, text: string) => void refused.push(text) };
let geoip: LiveGeoIp;

beforeEach(async () => {
  refused.length = 0;
  put(cityPath, built(1).city);
  put(asnPath, built(1).asn);
  geoip = await openGeoIp(paths, log);
});
afterEach(() => geoip.close());

const answers = () =>
  ["41.1.2.3", "42.1.2.3"].map((ip) => {
    const { place, organisation } = geoip.lookup(ip);
    return [place?.city, organisation];
  });

describe("files that are replaced under a service", () => {
  test("answer from the next look on, all of them, and say how old they are", async () => {
    expect(answers()).toEqual([
      ["city 1", "network 1"],
      ["city 1", "network 1"],
    ]);
    const { city, asn } = built(2);
    put(cityPath, city);
    put(asnPath, asn);
    expect(await geoip.look()).toBe(true);
    expect(answers()).toEqual([
      ["city 2", "network 2"],
      ["city 2", "network 2"],
    ]);
    expect(geoip.data()).toMatchObject({
      city: { builtAtMs: Date.UTC(2026, 2, 1) },
      network: { builtAtMs: Date.UTC(2026, 2, 1) },
    });
  });

  test("never give an answer of neither, whatever is asked meanwhile", async () => {
    const replaced = (async () => {
      for (let month = 2; month <= 12; month++) {
        put(cityPath, built(month).city);
        await geoip.look();
        put(asnPath, built(month).asn);
        await geoip.look();
      }
      return true;
    })();
    let asked = 0;
    let newest = 1;
    while (!(await Promise.race([replaced, setImmediate(false)]))) {
      asked++;
      const [first, second] = answers();
      expect(first).toEqual(second);
      const month = Number(first?.[0]?.split(" ")[1]);
      const network = Number(first?.[1]?.split(" ")[1]);
      expect([month, month - 1]).toContain(network);
      expect(month).toBeGreaterThanOrEqual(newest);
      newest = month;
    }
    expect(asked).toBeGreaterThan(10);
    expect(answers()[0]).toEqual(["city 12", "network 12"]);
  });

  test.each([
    ["cut in its tree", (bytes: Buffer) => bytes.subarray(0, 40)],
    ["cut in its metadata", (bytes: Buffer) => bytes.subarray(0, -20)],
    ["empty", () => Buffer.alloc(0)],
  ])("are refused when one is %s, and the old ones stay", async (_, broken) => {
    const { city, asn } = built(2);
    put(cityPath, broken(city));
    put(asnPath, asn);
    expect(await geoip.look()).toBe(false);
    expect(refused).toEqual(["geoip_refused"]);
    expect(answers()[0]).toEqual(["city 1", "network 1"]);
    expect(geoip.data().network.builtAtMs).toBe(Date.UTC(2026, 1, 1));
    put(cityPath, city);
    expect(await geoip.look()).toBe(true);
    expect(answers()[0]).toEqual(["city 2", "network 2"]);
  });

  test("are not taken while one is being written, since it may be half of each", async () => {
    put(cityPath, built(2).city);
    let writing = true;
    const writer = (async () => {
      for (let second = 1; writing; second++) {
        utimesSync(cityPath, second, second);
        await setImmediate();
      }
    })();
    expect(await geoip.look()).toBe(false);
    expect(answers()[0]).toEqual(["city 1", "network 1"]);
    writing = false;
    await writer;
    expect(await geoip.look()).toBe(true);
    expect(answers()[0]).toEqual(["city 2", "network 1"]);
    expect(refused).toEqual([]);
  });
});

test("a service does not start on files that are of no use", async () => {
  put(cityPath, Buffer.from("half a file"));
  await expect(openGeoIp(paths, silentLogger)).rejects.toThrow("VIG_GEOIP_INVALID");
});
