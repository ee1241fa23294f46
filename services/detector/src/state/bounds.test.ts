import {
  CHALLENGE_COUNT_MAX,
  defaultPolicy,
  FAILURE_COUNT_MAX,
  overlayPolicy,
  type VersionedPolicy,
} from "@vigie/core/policy";
import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import { organisationOf, unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import type { Channel } from "@vigie/schemas/types";
import { expect, test } from "vitest";
import { simOf } from "#enrich/sim";
import { TRAIT_COUNT } from "#enrich/traits";
import { rules } from "#rules/index";
import type { EnrichedEvent, EventKind } from "#rules/rule";
import { createJudge } from "../judge.ts";
import { Habits } from "./habits.ts";
import { Population } from "./population.ts";
import { STATE_BYTES_MAX, stateFormat, type UserState } from "./user-state.ts";

/** A user whose every event is made to take as much as it may: what the contracts and admission let pass. */

const judge = createJudge(rules);
const format = stateFormat(judge.parts);

const WIDE = "€";
/** Ids of 128 characters, the most that is admitted, of three bytes each. */
const longId = (what: string, i: number): string => `${what}${i}`.padEnd(128, WIDE);
const uuidLike = (i: number, filler: string): string =>
  `${filler.repeat(8)}-${filler.repeat(4)}-${filler.repeat(4)}-${filler.repeat(4)}-${String(i).padStart(12, filler)}`;
const kinds: readonly EventKind[] = [
  "login_success",
  "login_failure",
  "heartbeat",
  "mfa_challenge",
  "mfa_success",
  "mfa_failure",
  "geo",
];
const channels: readonly Channel[] = ["MOBILE", "WEB", "USSD", "API", "UNKNOWN"];
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const countryOf = (i: number): string =>
  `${letters[i % 26] as string}${letters[Math.floor(i / 26) % 26] as string}`;

const known = ["os", "os_version", "browser", "browser_version", "device_model", "screen"];
const names = [...known, "timezone", "languages", "gpu_vendor", "gpu_renderer", "app_version"];
const signalsOf = (i: number, length: number): Readonly<Record<string, string>> =>
  Object.fromEntries(
    [...names, ...Array.from({ length: 30 }, (_, k) => `signal-${k}`.padEnd(31, "x"))].map(
      (name) => [name, `${i}`.padEnd(length, WIDE)],
    ),
  );

/** Each number makes another event; a step of seconds, so that all counting windows are full. */
function hostile(i: number, kind: EventKind): EnrichedEvent {
  const country = countryOf(i);
  const address = organisationOf(i, `VPN ${i}`.padEnd(300, WIDE));
  return {
    // The longest that is not kept as a hash: a UUID in capitals; what only looks like one is kept as a hash.
    id: i % 5 === 0 ? uuidLike(i, WIDE) : uuidLike(i, "A"),
    kind,
    tenantId: "acme",
    userId: "u-1",
    sessionId: longId("session", i),
    channel: channels[i % channels.length] as Channel,
    atMs: Date.UTC(2026, 0, 5) + i * 1_000 + (i % 7 === 0 ? -5 * MINUTE_MS : 0),
    position: placeAt(
      { lat: (i * 7) % 90, lon: (i * 13) % 180 },
      20_000,
      country,
      WIDE.repeat(99),
      0xffff - (i % 2),
    ),
    device: {
      id: longId("device", i),
      similarity: 0,
      signals: signalsOf(i, i % 3 === 0 ? 16 : 99),
    },
    userAgent: null,
    address: { ...unknownAddress, ...address, organisation: address.name, country },
    givenCountry: countryOf(i + 1),
    boughtCountry: null,
    sim: simOf(608),
    roles: [],
    habits: Habits.none,
    traits: Array.from({ length: TRAIT_COUNT }, (_, k) => Math.imul(i * 31 + k, 40_503_001) >>> 1),
    population: Population.none,
  };
}

const strict = overlayPolicy(defaultPolicy, {
  max_failed_mfa_hour: { count: FAILURE_COUNT_MAX },
  max_failed_login_hour: { count: FAILURE_COUNT_MAX },
  mfa_fatigue: { challenge_count: CHALLENGE_COUNT_MAX, window_minutes: 60 },
  blocked_countries: { countries: ["SN", "FR"] },
});
const live: VersionedPolicy = { version: 1, document: strict };
const withCandidate: VersionedPolicy = {
  ...live,
  candidate: {
    share: 100,
    document: overlayPolicy(strict, {
      impossible_travel: { kmh_threshold: 300 },
      fp_mismatch_tolerance: { score_min: 1 },
      max_failed_mfa_hour: { count: 29 },
      max_failed_login_hour: { count: 29 },
      mfa_fatigue: { challenge_count: 29 },
    }),
  },
};

/** The state after so many events, stored after every one; told of each. */
function drive(policy: VersionedPolicy, told: (state: UserState) => void): UserState {
  let state: UserState | null = null;
  for (let i = 0; i < 3_000; i++) {
    const open = format.open(state);
    if (i === 0) judge.keepNoFiner(open, 5);
    const event = hostile(i, kinds[i % kinds.length] as EventKind);
    open.seen = open.seen.add(event.id) ?? open.seen;
    const seen = { ...event, habits: judge.habitsOf(open) };
    judge.judge(open, { event: seen, policy, key: "acme|u-1", nowMs: 0 });
    state = open.seal();
    told(state);
  }
  return state as UserState;
}

test.each([
  ["the policy in force", live],
  ["a candidate beside it", withCandidate],
])("whatever the traffic, with %s a state stays below 8 KiB", (_what, policy) => {
  let largest = 0;
  drive(policy, ({ bytes }) => {
    largest = Math.max(largest, bytes.length);
  });
  expect(largest).toBeLessThanOrEqual(STATE_BYTES_MAX);
  expect(STATE_BYTES_MAX).toBe(8 * 1_024);
});

test("and no part of the policy in force is left out to keep it so", () => {
  const untouched = judge.parts.filter(({ part }) => part === 15 || part === 16 || part === 200);

  const open = format.open(drive(live, () => {}));
  judge.parts.forEach((part, slot) => {
    if (!untouched.includes(part)) expect(open.has(slot), `part ${part.part}`).toBe(true);
  });
});

test("a phone's ordinary year is far from the bound", () => {
  let state: UserState | null = null;
  for (let day = 0; day < 365; day++) {
    const open = format.open(state);
    const event: EnrichedEvent = {
      ...hostile(0, "login_success"),
      id: `0193ff42-17aa-7bcd-9f00-${String(day).padStart(12, "0")}`,
      sessionId: `0193ff42-17aa-7bcd-9f01-${String(day).padStart(12, "0")}`,
      channel: "MOBILE",
      atMs: Date.UTC(2026, 0, 5) + day * DAY_MS,
      position: placeAt({ lat: 14.72, lon: -17.47 }, 150, "SN", "Dakar", 1),
      device: { id: "phone-1", similarity: null, signals: { os: "Android", browser: "Chrome" } },
      address: unknownAddress,
      givenCountry: null,
    };
    open.seen = open.seen.add(event.id) ?? open.seen;
    const seen = { ...event, habits: judge.habitsOf(open) };
    judge.judge(open, { event: seen, policy: live, key: "acme|u-1", nowMs: 0 });
    state = open.seal();
  }
  expect(state?.bytes.length).toBeLessThan(2_048);
});
