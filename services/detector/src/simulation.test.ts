import { silentLogger } from "@vigie/core/log";
import type { PolicyOverlay } from "@vigie/core/policy";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { type Address, type GeoIp, organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly, SessionPolicy } from "@vigie/schemas/types";
import type { StateCodec } from "@vigie/stream/codec";
import { createDriver } from "@vigie/stream/driver";
import type { Tally } from "@vigie/stream/observer";
import { describe, expect, test } from "vitest";
import { coarseCell } from "#enrich/coarse-place";
import { rules } from "#rules/index";
import { type Aggregate, createAggregateCodec } from "#state/aggregates";
import { FreshLogins } from "#state/population";
import { PRECISION_MAX } from "#state/precision";
import type { Trail } from "#state/trail";
import { stateFormat, type UserState } from "#state/user-state";
import { createDetector } from "./app.ts";
import { createJudge } from "./judge.ts";
import { impossibleTravel } from "./rules/impossible-travel.ts";
import { randomOf } from "./testing/random.ts";
import { TENANTS, trafficOf } from "./testing/traffic.ts";

const START_MS = Date.UTC(2026, 5, 1, 8);
const EVENTS = 3_000;
const SEEDS = (process.env.VIGIE_SIMULATION_SEEDS ?? "1").split(",").map(Number);

const known: Readonly<Record<string, readonly [number, number, string, string, number]>> = {
  "41.82": [14.69, -17.44, "SN", "SONATEL-AS", 8_346],
  "102.89": [6.45, 3.39, "NG", "MTN Nigeria", 29_465],
  "90.1": [48.85, 2.35, "FR", "Orange", 3_215],
  "104.28": [48.85, 2.35, "FR", "Fast VPN Hosting", 13_335],
  "196.207": [14.79, -16.93, "SN", "Expresso", 37_196],
};
const geoip: GeoIp = {
  lookup(ip): Address {
    const found = known[ip.split(".").slice(0, 2).join(".")];
    if (found === undefined) return unknownAddress;
    const [lat, lon, country, name, asn] = found;
    const place = placeAt({ lat, lon }, 150, country, null, 1);
    return { ...unknownAddress, ...organisationOf(asn, name), place, country, organisation: name };
  },
};

const policyOf = (version: number, document: PolicyOverlay | object): SessionPolicy => ({
  tenant_id: "*",
  version,
  updated_at: START_MS,
  actor: { type: "SYSTEM", id: "test", impersonator_id: null },
  document: JSON.stringify(document),
});
/** What the operator changes on the way: limits, a candidate beside them, and back. */
const changes: readonly SessionPolicy[] = [
  policyOf(1, { blocked_countries: { countries: ["NG"] }, login_risk: { logins_min: 2 } }),
  policyOf(2, {
    blocked_countries: { countries: ["NG"] },
    candidate: { share: 50, document: { impossible_travel: { kmh_threshold: 500 } } },
  }),
  policyOf(3, { max_failed_mfa_hour: { count: 2 }, rules: { vpn_detected: { mode: "OFF" } } }),
];

interface Run {
  readonly anomalies: readonly SessionAnomaly[];
  /** Every state and aggregate at the end, in hexadecimal, by key. */
  readonly states: Readonly<Record<string, string>>;
  readonly largestBytes: number;
  /** States that held a place finer than their user allowed, at the end of a batch. */
  readonly finerThanAllowed: number;
  readonly tally: Tally;
}

interface RunOptions {
  readonly seed: number;
  /** The stores are thrown away, and rebuilt from the changelog, before each of these batches. */
  readonly kills?: readonly number[];
  /** An aggregate codec with a fault. */
  readonly codec?: StateCodec<unknown>;
}

const judge = createJudge(rules);
const format = stateFormat(judge.parts);
const trailSlot = judge.parts.findIndex(({ part }) => part === impossibleTravel.meta.part);

function isFinerThanAllowed(state: UserState | null): boolean {
  const open = format.open(state);
  const precision = judge.precisionOf(open);
  if (precision === PRECISION_MAX) return false;
  // What was cut by a lower level stays as it is when the level goes up.
  const levels = [2, 3, 5].filter((level) => level <= precision);
  const fixes = open.get<Trail>(trailSlot).fixes();
  return fixes.some(({ place: { cell } }) =>
    levels.every((level) => coarseCell(cell, level) !== cell),
  );
}

const BATCH = 100;
const BATCHES = EVENTS / BATCH;
const codec = createAggregateCodec();

/** All rules over the traffic of a seed, in batches, so that commits hold several records of a user. */
function run({ seed, kills = [], codec: aggregate = codec }: RunOptions): Run {
  const codecs = memoryCodecs();
  const { records, endMs } = trafficOf(codecs, randomOf(seed), EVENTS, START_MS);
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const detector = createDetector({ codecs, geoip, log: silentLogger, ...limits });
  const driver = createDriver({ ...detector, aggregate }, { startMs: endMs });
  const keys = [...new Set(records.map(({ key }) => String(key)))];
  const stateOf = (key: string): string => driver.state(key)?.bytes.toString("hex") ?? "";
  let largestBytes = 0;
  let finerThanAllowed = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    const change = changes[batch / (BATCHES / changes.length)];
    if (change !== undefined) driver.setGlobal("policy", "*", change);
    if (kills.includes(batch)) driver.restore();
    driver.pipeAllBytes(records.slice(batch * BATCH, (batch + 1) * BATCH));
    largestBytes = Math.max(largestBytes, ...keys.map((key) => stateOf(key).length / 2));
    finerThanAllowed += keys.filter((key) => isFinerThanAllowed(driver.state(key))).length;
  }
  const states = Object.fromEntries(keys.map((key) => [key, stateOf(key)]));
  for (const key of TENANTS.flatMap((tenant) => [`population|${tenant}`, `fresh|${tenant}`])) {
    const value = driver.aggregate<Aggregate>(key);
    states[key] = value === null ? "" : Buffer.from(codec.encode(value)).toString("hex");
  }
  const anomalies = driver.read<SessionAnomaly>("bruteforce").map(({ value }) => value);
  return { anomalies, states, largestBytes, finerThanAllowed, tally: driver.tally() };
}

const firsts = new Map(SEEDS.map((seed) => [seed, run({ seed })]));

describe.each(SEEDS)("seed %i", (seed) => {
  const first = firsts.get(seed) as Run;

  test("nothing throws, and every record has a fate", () => {
    const { consumed, ok, dropped, dlq } = first.tally;
    expect(consumed).toBe(EVENTS);
    expect(ok).toBeGreaterThan(EVENTS * 0.8);
    expect(dropped.duplicate).toBeGreaterThan(0);
    expect(dropped.erased).toBeGreaterThan(0);
    expect(Object.keys(dlq)).not.toContain("VIG_PROCESSOR_BUG");
    expect(Object.keys(dlq).length).toBeGreaterThan(3);
  });

  test("no state is over 8 KiB at any time", () => {
    expect(first.largestBytes).toBeLessThanOrEqual(8 * 1_024);
    // The hostile ones are far larger than an ordinary user's 600.
    expect(first.largestBytes).toBeGreaterThan(2_000);
  });

  test("CNF-05: no place is ever kept more finely than its user allows", () => {
    expect(first.finerThanAllowed).toBe(0);
  });

  test("the same traffic gives the same anomalies and states, byte for byte", () => {
    expect(run({ seed })).toEqual(first);
  });

  test("so it does when the stores are lost again and again", () => {
    const kills = Array.from({ length: BATCHES / 4 }, (_, i) => i * 4 + (seed % 4));
    expect(run({ seed, kills })).toEqual(first);
  });

  test("a fault that loses what is still to be counted is found", () => {
    const faulty: StateCodec<unknown> = {
      ...codec,
      encode: (value) => codec.encode(value instanceof FreshLogins ? FreshLogins.none : value),
    };
    expect(run({ seed, kills: [30], codec: faulty }).states).not.toEqual(first.states);
  });

  test("no state or anomaly holds an address", () => {
    const all = JSON.stringify([first.anomalies, first.states]);
    for (const network of Object.keys(known)) {
      const hex = Buffer.from(`${network}.`).toString("hex");
      expect(all).not.toContain(`${network}.`);
      expect(all).not.toContain(hex);
    }
  });
});

test("all rules find something in it", () => {
  const found = new Set(
    [...firsts.values()].flatMap(({ anomalies }) => anomalies.map(({ kind }) => kind)),
  );
  expect([...found].sort()).toEqual(rules.map(({ meta }) => meta.name).sort());
});
