import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { geohashAt } from "@vigie/core/geohash";
import { userKey } from "@vigie/core/keys";
import { silentLogger } from "@vigie/core/log";
import { DAY_MS } from "@vigie/core/time";
import { anomalyOf } from "@vigie/detector/anomaly";
import { createDetector, type DetectorInput } from "@vigie/detector/app";
import { coarseCell } from "@vigie/detector/enrich/coarse-place";
import type { RawEvent } from "@vigie/detector/enrich/event";
import { userAgentParser } from "@vigie/detector/enrich/user-agent";
import { PRECISION_MAX, type Precision } from "@vigie/detector/state/precision";
import { signalsOf as knownOf, printOf } from "@vigie/detector/state/print";
import type { UserState } from "@vigie/detector/state/user-state";
import { type Address, type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { InputRecord } from "@vigie/stream/processor";
import { Workload, type WorkloadEvent } from "@vigie/testkit/workload/workload";
import { cities } from "@vigie/testkit/workload/world";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { Replay } from "../whatif/replay.ts";
import { EventFile, listHistory } from "./history-file.ts";
import { minimise } from "./minimise.ts";
import { hmacSha256, pseudonymsOf } from "./pseudonyms.ts";

const keys = derivedKeys([{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, 1) }], () => 1);
const START_MS = Date.UTC(2026, 10, 1);
const directories: string[] = [];
function folder(): string {
  const directory = mkdtempSync(join(tmpdir(), "vigie-minimise-test-"));
  directories.push(directory);
  return directory;
}
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

/** Knows the networks of the generated traffic. */
const addresses = new Map<string, Address>(
  cities.flatMap(({ networks, country, city, ...point }) =>
    networks.map((network, i): [string, Address] => [
      network,
      {
        ...unknownAddress,
        place: placeAt(point, 150, country, city, 1),
        country,
        region: `around ${city}`,
        timezone: `Area/${city}`,
        asn: 100 + i,
        organisation: `${city} Telecom`,
      },
    ]),
  ),
);
const geoip: GeoIp = {
  lookup: (ip) => addresses.get(ip.slice(0, ip.lastIndexOf("."))) ?? unknownAddress,
};
const enrichment = { geoip, userAgentOf: userAgentParser() };

const rawOf = ({ topic, value }: WorkloadEvent): RawEvent => {
  const { device, ...rest } = value as WorkloadEvent["value"] & RawEvent;
  if (topic === "id.mfa") {
    const { roles: _roles, sim: _sim, ...mfa } = rest;
    return { ...mfa, network: rest.network && { ...rest.network, user_agent: null } };
  }
  const fingerprint = value.device?.fingerprint;
  return {
    ...rest,
    sim: rest.sim && { mcc: rest.sim.mcc },
    device: device && {
      device_id: device.device_id,
      fingerprint: fingerprint
        ? { similarity: fingerprint.similarity, signals: TextMap.of(fingerprint.signals) }
        : null,
    },
  };
};

interface Told {
  readonly kind: string;
  readonly atMs: number;
  readonly country: string;
  readonly evidence: SessionAnomaly["evidence"];
}
const toldOf = (anomaly: SessionAnomaly, country: string): Told => ({
  kind: anomaly.kind,
  atMs: anomaly.occurred_at,
  country,
  evidence: anomaly.evidence,
});
const sorted = (told: readonly Told[]): string[] => told.map((one) => JSON.stringify(one)).sort();

type PrecisionAt = (userId: string, atMs: number) => Precision;
const asEverybody: PrecisionAt = () => PRECISION_MAX;
const levels = [PRECISION_MAX, 5, 2, 3, PRECISION_MAX] as const;
/** Each says something else every third day, beginning anywhere. */
const changing: PrecisionAt = (userId, atMs) => {
  const turn = userId.charCodeAt(userId.length - 1) + Math.floor(atMs / (3 * DAY_MS));
  return levels[turn % levels.length] as Precision;
};

/** What the detector says of the events as they came. */
function judgedAsTheyCame(events: readonly WorkloadEvent[], precisionAt: PrecisionAt): Told[] {
  const told: Told[] = [];
  const detector = createDetector({
    codecs: memoryCodecs(),
    log: silentLogger,
    geoip,
    maxEventAgeMs: Number.MAX_SAFE_INTEGER,
    maxAheadMs: 0,
    tell: ({ meta, finding, event, policy, key, nowMs }) => {
      const value = anomalyOf(meta, finding, event, policy, nowMs);
      told.push(toldOf(value, event.position?.country || event.address.country || ""));
      return { output: meta.name, key, value };
    },
  });
  const states = new Map<string, UserState | null>();
  const said = new Map<string, Precision>();
  const aggregates = new Map<string, unknown>();
  const context = {
    nowMs: 0,
    partition: 0,
    lookup: () => undefined,
    hasMark: () => false,
    aggregate: <A>(key: string) => (aggregates.get(key) ?? null) as A | null,
  };
  for (const event of events) {
    const { topic, key } = event;
    const timestampMs = event.value.occurred_at;
    const at = { key, timestampMs, partition: 0, offset: 0 };
    context.nowMs = timestampMs;
    const process = (record: InputRecord<DetectorInput>): void => {
      const outcome = detector.process(record, states.get(key) ?? null, context);
      if (outcome.kind !== "ok") return;
      states.set(key, outcome.value.state);
      for (const change of outcome.value.aggregates ?? []) aggregates.set(change.key, change.value);
    };
    const { tenant_id, user_id } = event.value;
    const precision = precisionAt(user_id, timestampMs);
    if (precision !== (said.get(key) ?? PRECISION_MAX)) {
      const prefs = { tenant_id, user_id, gps_opt_in: true, precision, updated_at: timestampMs };
      process({ ...at, topic: "id.geo.prefs", value: prefs });
    }
    said.set(key, precision);
    process({ ...at, topic, value: rawOf(event) });
  }
  return told;
}

const ofOneTenant = (event: WorkloadEvent): WorkloadEvent =>
  ({
    ...event,
    key: userKey("acme", event.value.user_id),
    value: { ...event.value, tenant_id: "acme" },
  }) as WorkloadEvent;

test.each([
  ["nobody says how finely places are kept", asEverybody],
  ["people consent to less, and to more again", changing],
])(
  "the rules find in history what they found in the events as they came: %s",
  (_what, precisionAt) => {
    const directory = folder();
    const workload = new Workload({
      events: 6_000,
      users: 500,
      seed: 3,
      startMs: START_MS,
      spanMs: 10 * DAY_MS,
    });
    const events = [...workload.events()].map(ofOneTenant);
    const pseudonyms = pseudonymsOf(keys, "acme");
    const head = {
      tenant: "acme",
      partition: 0,
      fromMs: 0,
      toMs: START_MS + 20 * DAY_MS,
      pseudonymKeyId: pseudonyms.keyId,
    };
    const file = new EventFile(directory, head, keys);
    for (const event of events) {
      const timestampMs = event.value.occurred_at;
      const precision = precisionAt(event.value.user_id, timestampMs);
      const source = { topic: event.topic, timestampMs, precision };
      file.add(minimise({ ...source, value: rawOf(event) }, pseudonyms, enrichment));
    }
    file.finish();
    const replay = new Replay({
      keys,
      policyOf: () => undefined,
      fromMs: 0,
      toMs: Number.POSITIVE_INFINITY,
      erased: new Map(),
    });
    const replayed = [...replay.partition(listHistory(directory))].map(({ anomaly, country }) =>
      toldOf(anomaly, country),
    );
    const expected = judgedAsTheyCame(events, precisionAt);
    expect(sorted(replayed)).toEqual(sorted(expected));
    for (const kind of [
      "impossible_travel",
      "fingerprint_mismatch",
      "bruteforce",
      "country_mismatch",
    ]) {
      expect(replayed.filter((one) => one.kind === kind).length, kind).toBeGreaterThan(0);
    }
    expect(replay.count.events).toBe(events.length);
  },
);

const SIGNALS = {
  os: "Windows 10",
  os_version: "10.0.19045",
  browser: "Google Chrome",
  device_model: " SM-A055F",
  screen: "1080x2460",
  my_version: "of Awa",
  "x-owner": "Awa",
};
const DAKAR = { lat: 14.716677, lon: -17.467686 };
const HOME = {
  ip: `${cities.find(({ city }) => city === "Dakar")?.networks[0]}.7`,
  user_agent: null,
};
const event: RawEvent = {
  event_id: "event-1",
  tenant_id: "acme",
  user_id: "awa@example.sn",
  occurred_at: START_MS,
  kind: "AUTH_SUCCESS",
  session_id: "session-1",
  channel: "MOBILE",
  roles: ["customer"],
  network: { ip: "41.82.0.17", user_agent: "Mozilla/5.0 (Linux; Android 14; TECNO CK7n) Awa" },
  device: {
    device_id: "device-1",
    fingerprint: { similarity: 0.5, signals: TextMap.of(SIGNALS) },
  },
  location: {
    source: "GPS",
    ...DAKAR,
    accuracy_m: 12,
    country: "SN",
    city: "Dakar",
  },
  sim: { mcc: 608 },
  geohash: "edd2xyz",
};
const kept = (value: RawEvent, tenant = "acme", precision: Precision = PRECISION_MAX) =>
  minimise(
    { topic: "id.login", timestampMs: START_MS, value, precision },
    pseudonymsOf(keys, tenant),
    { ...enrichment, userAgentOf: userAgentParser() },
  );
const signalsOf = (value: RawEvent) => value.device?.fingerprint?.signals?.toObject() ?? {};

describe("PRV-02: what is kept of an event", () => {
  test("names no person, session, device, address, browser or exact place", () => {
    const { value, ...rest } = kept(event);
    const text = JSON.stringify([value, rest, signalsOf(value)]);
    const secrets = ["awa", "Awa", "session-1", "event-1", "device-1", "41.82", "TECNO", "SM-A0"];
    for (const secret of [
      ...secrets,
      "14.7166",
      "17.4676",
      "1080x",
      "xyz",
      "owner",
      "Windows 10",
    ]) {
      expect(text.includes(secret), secret).toBe(false);
    }
  });

  test.each([2, 3, 5])("CNF-05: is no finer than the %d characters consented to", (precision) => {
    const { value, address } = kept({ ...event, network: HOME }, "acme", precision);
    const places = [value.location, address.place].map((place) => JSON.stringify(place));
    const fine = kept({ ...event, network: HOME });
    expect(address.place?.cell).toBe(coarseCell(fine.address.place?.cell ?? 0, precision));
    expect(places.some((text) => text.includes("Dakar"))).toBe(precision === 5);
    expect([address.region, address.timezone]).toEqual([null, null]);
    const { lat, lon } = value.location ?? {};
    expect(geohashAt({ lat: lat ?? 0, lon: lon ?? 0 }, precision)).toBe(
      geohashAt(DAKAR, precision),
    );
    expect([lat, lon]).not.toEqual([fine.value.location?.lat, fine.value.location?.lon]);
    expect(value.geohash).toBe("edd2xyz".slice(0, precision).padEnd(7, "0"));
  });

  test("leaves out what a contract may tell of a place one day", () => {
    const location = { ...event.location, street: "owner's" } as RawEvent["location"];
    expect(kept({ ...event, location }).value.location).not.toHaveProperty("street");
  });

  test("keeps the families, numbers of versions and the cell that the rules compare", () => {
    const { value, userAgent } = kept(event);
    const signals = signalsOf(value);
    expect(signals.os).toMatch(/^windows \d+$/);
    expect(signals.browser).toMatch(/^chrome \d+$/);
    expect(signals.os_version).toBe("10.0.19045");
    expect(value.location).toMatchObject({ accuracy_m: 12, country: "SN" });
    expect(Math.abs((value.location?.lat ?? 0) - 14.716677)).toBeLessThan(0.05);
    expect(value.geohash).toBe("edd2x00");
    expect(userAgent).toMatchObject({ os: "Android", osVersion: "14" });
  });

  test("is the same for the same, another thing for another tenant", () => {
    expect(JSON.stringify(kept(event))).toBe(JSON.stringify(kept({ ...event })));
    const other = kept(event, "globex").value;
    expect(other.user_id).not.toBe(kept(event).value.user_id);
    expect(other.network?.ip).not.toBe(kept(event).value.network?.ip);
  });

  test("tells addresses of one network as such", () => {
    const of = (ip: string): string =>
      kept({ ...event, network: { ip, user_agent: null } }).value.network?.ip ?? "";
    const network = (ip: string): string => of(ip).split(":").slice(0, 3).join(":");
    expect(network("41.82.0.18")).toBe(network("41.82.0.17"));
    expect(of("41.82.0.18")).not.toBe(of("41.82.0.17"));
    expect(network("41.82.1.17")).not.toBe(network("41.82.0.17"));
  });
});

test("the detector knows as much of a long fingerprint as it did before", () => {
  const long = {
    ...SIGNALS,
    browser: "Google Chrome",
    browser_version: "141.0.7390.122",
    screen: "1920x1080",
    timezone: "Africa/Porto-Novo",
    languages: "fr-BJ,fr;q=0.9",
    gpu_vendor: "Google Inc. (Intel)",
    gpu_renderer: "ANGLE (Intel, UHD Graphics 620, D3D11)",
    app_version: "4.12.0",
    platform: "desktop",
    ...Object.fromEntries(
      ["canvas", "audio", "fonts", "plugins"].map((name) => [name, `${name}-1`]),
    ),
  };
  const fingerprint = { similarity: null, signals: TextMap.of(long) };
  const { value } = kept({ ...event, device: { device_id: "device-1", fingerprint } });
  const known = knownOf(printOf(signalsOf(value)));
  expect(Object.keys(known)).toHaveLength(Object.keys(knownOf(printOf(long))).length);
  expect(known.os).toMatch(/^windows \d+$/);
});

test("a pseudonym's hash is the HMAC that everybody knows", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 0, maxLength: 64 }),
      fc.array(fc.string({ unit: "grapheme", maxLength: 2_000 }), { maxLength: 4 }),
      (key, texts) => {
        const hmac = hmacSha256(key);
        for (const text of texts) {
          expect(hmac(text)).toEqual(createHmac("sha256", key).update(text).digest());
        }
      },
    ),
  );
});
