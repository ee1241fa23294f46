import type { Logger } from "@vigie/core/log";
import { type Address, type GeoIp, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { TextMap } from "@vigie/schemas/codec-core";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type {
  SessionAnomaly,
  SessionPolicy,
  SubjectErasure,
  SubjectErasurePart,
} from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import { beforeEach, describe, expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { rules } from "#rules/index";
import { stateFormat } from "#state/user-state";
import { createDetector } from "./app.ts";
import { createJudge } from "./judge.ts";

const START_MS = Date.UTC(2026, 0, 5, 10);
const MINUTE_MS = 60_000;

const city = (lat: number, lon: number, country: string, name: string): Address => ({
  ...unknownAddress,
  place: placeAt({ lat, lon }, 150, country, name),
  country,
  asn: 8346,
  organisation: "SONATEL-AS",
});
const addresses: Readonly<Record<string, Address>> = {
  "41.82.0.1": city(14.69, -17.44, "SN", "Dakar"),
  "90.1.0.1": city(48.85, 2.35, "FR", "Paris"),
  "104.28.0.1": {
    ...city(48.85, 2.35, "FR", "Paris"),
    anonymous: true,
    isVpn: true,
    isAnchor: false,
  },
};
const geoip: GeoIp = { lookup: (ip) => addresses[ip] ?? unknownAddress };

const PHONE = { os: "Android", browser: "Chrome", device_model: "TECNO CK7n", screen: "1080x2460" };

type Made = Partial<RawEvent> & { readonly atMin: number; readonly ip?: string };
let made = 0;

function event({ atMin, ip, ...more }: Made): RawEvent {
  made += 1;
  return {
    event_id: `event-${made}`,
    tenant_id: "acme",
    user_id: "u-1",
    occurred_at: START_MS + atMin * MINUTE_MS,
    session_id: "s-1",
    channel: "MOBILE",
    network: ip === undefined ? null : { ip, user_agent: null },
    device: null,
    location: null,
    ...more,
  };
}

const login = (more: Made): RawEvent => event({ kind: "AUTH_SUCCESS", ...more });
const mfaFailure = (atMin: number): RawEvent => event({ kind: "FAIL", atMin });
const KEY = "acme|u-1";

let warned: string[] = [];
const log: Logger = {
  debug() {},
  info() {},
  warn: (_fields, text) => warned.push(text),
  error() {},
  fatal() {},
};

function start() {
  const codecs = memoryCodecs();
  const limits = { maxEventAgeMs: 30 * 24 * 60 * MINUTE_MS, maxAheadMs: 5 * MINUTE_MS };
  const driver = createDriver(createDetector({ codecs, geoip, log, ...limits }), {
    startMs: START_MS + 60 * MINUTE_MS,
  });
  const anomalies = (kind?: string): SessionAnomaly[] =>
    driver
      .read<SessionAnomaly>("bruteforce")
      .map(({ value }) => value)
      .filter((anomaly) => kind === undefined || anomaly.kind === kind);
  return { driver, anomalies };
}

let { driver, anomalies } = start();
beforeEach(() => {
  warned = [];
  ({ driver, anomalies } = start());
});

const policy = (document: string, version = 7): SessionPolicy => ({
  tenant_id: "acme",
  version,
  updated_at: START_MS,
  actor: { type: "SYSTEM", id: "test", impersonator_id: null },
  document,
});

describe("PRV-14: an erasure", () => {
  const erase = (requestedAtMs: number): void => {
    driver.pipe("id.subject.erasure", KEY, {
      erasure_id: "x-1",
      tenant_id: "acme",
      user_id: "u-1",
      requested_at: requestedAtMs,
      actor: { type: "USER", id: "u-1", impersonator_id: null },
    } satisfies SubjectErasure);
  };
  const NOW_MS = START_MS + 60 * MINUTE_MS;

  test("leaves no state and says so", () => {
    driver.pipe("id.login", KEY, login({ atMin: 0, ip: "41.82.0.1" }));
    expect(driver.state(KEY)).not.toBeNull();
    erase(NOW_MS);
    expect(driver.state(KEY)).toBeNull();
    expect(driver.changelog().at(-1)).toEqual({ key: KEY, state: null });
    expect(driver.read<SubjectErasurePart>("erased").map(({ key, value }) => [key, value])).toEqual(
      [["x-1", { erasure_id: "x-1", tenant_id: "acme", part: "detector", done_at: NOW_MS }]],
    );
  });

  test("what happened before and comes late is dropped; what comes after is judged without it", () => {
    driver.pipe("id.login", KEY, login({ atMin: 0, ip: "41.82.0.1" }));
    erase(START_MS + 10 * MINUTE_MS);
    driver.pipe("id.login", KEY, login({ atMin: 10, ip: "41.82.0.1" }));
    expect(driver.state(KEY)).toBeNull();
    expect(driver.tally().dropped.erased).toBe(1);
    driver.pipe("id.login", KEY, login({ atMin: 30, ip: "90.1.0.1", session_id: "s-2" }));
    expect(anomalies()).toEqual([]);
    expect(driver.state(KEY)).not.toBeNull();
  });

  test("of another does not concern this one", () => {
    erase(NOW_MS);
    const other = "acme|u-2";
    driver.pipe("id.login", other, login({ atMin: 0, user_id: "u-2", ip: "41.82.0.1" }));
    expect(driver.state(other)).not.toBeNull();
  });
});

describe("anomalies", () => {
  test("ANO-01, ANO-04, ANO-15: an impossible trip is published as the contract says", () => {
    const first = login({ atMin: 0, ip: "41.82.0.1" });
    const second = login({ atMin: 30, ip: "90.1.0.1", session_id: "s-2" });
    driver.pipe("id.login", KEY, first);
    driver.pipe("id.login", KEY, second);
    const [output] = driver.read<SessionAnomaly>("bruteforce");
    expect(output?.key).toBe(KEY);
    expect(output?.value).toMatchObject({
      tenant_id: "acme",
      user_id: "u-1",
      session_id: "s-2",
      kind: "impossible_travel",
      severity: "HIGH",
      risk_score: 95,
      action: "STEP_UP",
      mode: "ENFORCE",
      occurred_at: second.occurred_at,
      detected_at: START_MS + 60 * MINUTE_MS,
      rule_version: "2",
      policy_version: 0,
      cause_event_ids: [first.event_id, second.event_id],
      evidence: { distance_km: "4198", speed_kmh: "8397", from_city: "Dakar", to_city: "Paris" },
      retracts: null,
    });
    expect(output?.value.anomaly_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab]/);
  });

  test("the same events give the same ids, in a run of their own and after a restore", () => {
    const events = [login({ atMin: 0, ip: "41.82.0.1" }), login({ atMin: 30, ip: "90.1.0.1" })];
    const run = (restored: boolean): (string | undefined)[] => {
      const own = start();
      events.forEach((each) => {
        own.driver.pipe("id.login", KEY, each);
        if (restored) own.driver.restore();
      });
      return own.anomalies().map(({ anomaly_id }) => anomaly_id);
    };
    expect(run(false)).toHaveLength(1);
    expect(run(true)).toEqual(run(false));
  });

  test("logins, heartbeats and second factors of one user meet in one state", () => {
    driver.pipe("id.login", KEY, login({ atMin: 0, ip: "41.82.0.1" }));
    driver.pipe("id.mfa", KEY, event({ atMin: 30, kind: "SUCCESS", ip: "90.1.0.1" }));
    driver.pipe("id.heartbeat", KEY, event({ atMin: 40, ip: "41.82.0.1" }));
    expect(anomalies().map(({ kind }) => kind)).toEqual(["impossible_travel", "impossible_travel"]);
  });

  test("a location event of its producer is a position, and counts before the address", () => {
    const paris = { source: "GPS", lat: 48.85, lon: 2.35, accuracy_m: 10 } as const;
    const location = { ...paris, country: "FR", city: "Paris" };
    driver.pipe("id.login", KEY, login({ atMin: 0, ip: "41.82.0.1" }));
    driver.pipe("id.geo", KEY, event({ atMin: 30, ip: "41.82.0.1", location, geohash: "u09tv" }));
    expect(anomalies().map(({ kind }) => kind)).toEqual(["impossible_travel", "country_mismatch"]);
  });

  test("a failed login does not move the victim, and a VPN's exit is no place", () => {
    driver.pipe("id.login", KEY, login({ atMin: 0, ip: "41.82.0.1" }));
    driver.pipe("id.login", KEY, event({ atMin: 10, kind: "AUTH_FAIL", ip: "90.1.0.1" }));
    driver.pipe("id.login", KEY, login({ atMin: 20, ip: "104.28.0.1" }));
    driver.pipe("id.heartbeat", KEY, event({ atMin: 30, ip: "not an address" }));
    expect(anomalies("impossible_travel")).toEqual([]);
  });
});

describe("anomalies of devices and of failures", () => {
  test("SES-03: what the fingerprint lacks of the system comes from the user agent", () => {
    const device = (signals: Readonly<Record<string, string>>) => ({
      device_id: "phone-1",
      fingerprint: { similarity: null, signals: TextMap.of(signals) },
    });
    const iphone =
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1";
    driver.pipe("id.login", KEY, login({ atMin: 0, device: device(PHONE) }));
    const network = { ip: null, user_agent: iphone };
    driver.pipe(
      "id.login",
      KEY,
      login({ atMin: 9, device: device({ screen: "1080x2460" }), network }),
    );
    expect(anomalies()).toMatchObject([{ kind: "fingerprint_mismatch", risk_score: 70 }]);
  });

  test("ANO-07: the sixth failure of the second factor within an hour is brute force", () => {
    for (let minute = 0; minute < 6; minute++) driver.pipe("id.mfa", KEY, mfaFailure(minute));
    expect(anomalies()).toMatchObject([
      { kind: "bruteforce", risk_score: 80, action: "STEP_UP", evidence: { of: "mfa" } },
    ]);
  });
});

describe("records that come again", () => {
  test("the same event is dropped as a duplicate and counted", () => {
    for (let minute = 0; minute < 5; minute++) driver.pipe("id.mfa", KEY, mfaFailure(minute));
    const last = mfaFailure(5);
    driver.pipe("id.mfa", KEY, last);
    driver.pipe("id.mfa", KEY, last);
    expect(anomalies()).toHaveLength(1);
    expect(driver.tally().dropped).toEqual({ duplicate: 1 });
  });

  test("a repeated heartbeat passes and changes nothing", () => {
    const beat = event({ atMin: 0, ip: "41.82.0.1" });
    driver.pipe("id.heartbeat", KEY, beat);
    const written = driver.changelog().length;
    driver.pipe("id.heartbeat", KEY, beat);
    expect(driver.tally().dropped).toEqual({});
    expect(driver.changelog()).toHaveLength(written);
  });

  test("an event that no rule minds writes no state but the id that it was seen under", () => {
    driver.pipe("id.heartbeat", KEY, event({ atMin: 0 }));
    expect(driver.state(KEY)).toBeNull();
    driver.pipe("id.mfa", KEY, event({ atMin: 1, kind: "CHALLENGE" }));
    const state = driver.state(KEY);
    expect(state && stateFormat(createJudge(rules).parts).open(state).seen.size).toBe(1);
  });
});

describe("policies", () => {
  const fly = (): void => {
    driver.pipe("id.login", KEY, login({ atMin: -300, ip: "41.82.0.1" }));
    driver.pipe("id.login", KEY, login({ atMin: -30, ip: "90.1.0.1" }));
  };

  test("POL-05: the tenant's limit is in force, and the anomaly tells its version", () => {
    driver.setGlobal("policy", "acme", policy('{"impossible_travel":{"kmh_threshold":800}}'));
    fly();
    expect(anomalies()).toMatchObject([{ policy_version: 7, evidence: { limit_kmh: "800" } }]);
  });

  test("a tenant's document lies over that of all", () => {
    const all =
      '{"impossible_travel":{"kmh_threshold":800},"rules":{"impossible_travel":{"action":"REVOKE"}}}';
    driver.setGlobal("policy", "*", policy(all, 3));
    driver.setGlobal("policy", "other", policy("{}", 9));
    fly();
    expect(anomalies()).toMatchObject([{ policy_version: 3, action: "REVOKE" }]);
  });

  test("CNF-12: SHADOW is published as such, OFF is not computed", () => {
    driver.setGlobal("policy", "acme", policy('{"rules":{"bruteforce":{"mode":"SHADOW"}}}'));
    for (let minute = 0; minute < 6; minute++) driver.pipe("id.mfa", KEY, mfaFailure(minute));
    expect(anomalies()).toMatchObject([{ mode: "SHADOW" }]);
    driver.setGlobal("policy", "acme", policy('{"rules":{"bruteforce":{"mode":"OFF"}}}', 8));
    for (let minute = 6; minute < 12; minute++) driver.pipe("id.mfa", KEY, mfaFailure(minute));
    expect(anomalies()).toEqual([]);
  });

  test("a rule is switched for a channel and for a role, the role over the channel", () => {
    const document = {
      channels: { WEB: { rules: { impossible_travel: { mode: "SHADOW" } } } },
      roles: { teller: { rules: { impossible_travel: { mode: "ENFORCE", action: "REVOKE" } } } },
    };
    driver.setGlobal("policy", "acme", policy(JSON.stringify(document)));
    driver.pipe("id.login", KEY, login({ ip: "41.82.0.1", atMin: -40 }));
    driver.pipe("id.login", KEY, login({ ip: "90.1.0.1", atMin: -30 }));
    expect(anomalies()).toMatchObject([{ mode: "ENFORCE", action: "STEP_UP", policy_version: 7 }]);
    const back = { ip: "41.82.0.1", channel: "WEB" } as const;
    driver.pipe("id.login", KEY, login({ ...back, atMin: -20 }));
    expect(anomalies()).toMatchObject([{ mode: "SHADOW", action: "STEP_UP" }]);
    const there = { ip: "90.1.0.1", channel: "WEB", roles: ["guest", "teller"] } as const;
    driver.pipe("id.login", KEY, login({ ...there, atMin: -10 }));
    expect(anomalies()).toMatchObject([{ mode: "ENFORCE", action: "REVOKE" }]);
  });

  test("an invalid document is told of once, and the last good one stays", () => {
    driver.setGlobal("policy", "acme", policy('{"impossible_travel":{"kmh_threshold":800}}', 7));
    driver.pipe("id.login", KEY, login({ atMin: -300, ip: "41.82.0.1" }));
    driver.setGlobal("policy", "acme", policy('{"impossible_travel":{"kmh_threshold":8}}', 8));
    driver.pipe("id.login", KEY, login({ atMin: -30, ip: "90.1.0.1" }));
    driver.pipe("id.login", KEY, login({ atMin: -29, ip: "90.1.0.1" }));
    expect(anomalies()).toMatchObject([{ policy_version: 7, evidence: { limit_kmh: "800" } }]);
    expect(warned).toEqual(["policy_refused"]);
    driver.setGlobal("policy", "acme", null);
    driver.pipe("id.mfa", KEY, mfaFailure(1));
    expect(warned).toHaveLength(1);
  });
});
