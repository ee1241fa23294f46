import { DAY_MS, MINUTE_MS } from "@vigie/core/time";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type AdmitLimits, admitEvent, checkEvent } from "./admit.ts";
import {
  SAMPLE_KEY,
  SAMPLE_TIME_MS,
  sampleAnomaly,
  sampleGeo,
  sampleHeartbeat,
  sampleLogin,
  sampleMfa,
} from "./samples.ts";
import type { LoginEvent } from "./types.ts";

const limits: AdmitLimits = {
  recordTimestampMs: SAMPLE_TIME_MS,
  maxEventAgeMs: 30 * DAY_MS,
  maxAheadMs: 5 * MINUTE_MS,
};
const admitLogin = (change: object, key = SAMPLE_KEY) =>
  admitEvent("id.login", { ...sampleLogin, ...change }, key, limits);

describe("a sound event is admitted as it is", () => {
  test.each([
    ["id.login", sampleLogin],
    ["id.heartbeat", sampleHeartbeat],
    ["id.mfa", sampleMfa],
    ["id.geo", sampleGeo],
  ] as const)("%s", (topic, value) => {
    const outcome = admitEvent(topic, value, SAMPLE_KEY, limits);
    expect(outcome).toEqual({ kind: "ok", value });
    expect(outcome.kind === "ok" && outcome.value).toBe(value);
  });
});

/** The last moment that ISO 8601 writes with four digits of year. */
const LAST_MS = Date.parse("9999-12-31T23:59:59.999Z");

const faults: readonly [string, object, string][] = [
  ["latitude 100", { location: { ...sampleLogin.location, lat: 100 } }, "location.lat"],
  ["longitude -181", { location: { ...sampleLogin.location, lon: -181 } }, "location.lon"],
  ["no number", { location: { ...sampleLogin.location, lat: Number.NaN } }, "location.lat"],
  [
    "accuracy below 0",
    { location: { ...sampleLogin.location, accuracy_m: -1 } },
    "location.accuracy_m",
  ],
  [
    "endless accuracy",
    { location: { ...sampleLogin.location, accuracy_m: Number.POSITIVE_INFINITY } },
    "location.accuracy_m",
  ],
  [
    "country Senegal",
    { location: { ...sampleLogin.location, country: "SEN" } },
    "location.country",
  ],
  [
    "similarity 1.1",
    { device: { device_id: null, fingerprint: { hash: null, similarity: 1.1, signals: {} } } },
    "device.fingerprint.similarity",
  ],
  ["mcc 199", { sim: { mcc: 199, mnc: null, carrier: null } }, "sim.mcc"],
  ["mcc 800", { sim: { mcc: 800, mnc: null, carrier: null } }, "sim.mcc"],
  ["33 roles", { roles: Array.from({ length: 33 }, (_, i) => `r${i}`) }, "roles"],
  ["a role of 129 characters", { roles: ["r".repeat(129)] }, "roles"],
  ["an empty event id", { event_id: "" }, "event_id"],
  ["an empty user id", { user_id: "" }, "user_id"],
  ["a user id with a bar", { user_id: "a|b" }, "user_id"],
  ["a tenant with a bad character", { tenant_id: "molam/sn" }, "tenant_id"],
  ["a tenant of 65 characters", { tenant_id: "t".repeat(65) }, "tenant_id"],
  ["a session id of 129 characters", { session_id: "s".repeat(129) }, "session_id"],
  ["AUTH_SUCCESS without a session", { session_id: null }, "session_id"],
  ["LOGOUT without a session", { kind: "LOGOUT", session_id: null }, "session_id"],
  ["a time of before 1970", { occurred_at: -1 }, "occurred_at"],
  ["a time that no Date takes", { occurred_at: 8_640_000_000_000_001 }, "occurred_at"],
  [
    "an end that PostgreSQL does not take",
    { absolute_expires_at: LAST_MS + 1 },
    "absolute_expires_at",
  ],
  ["a NUL in an id", { session_id: "s\u0000" }, "session_id"],
];

describe("a field out of range goes to the dead letters under its path", () => {
  test.each(faults)("%s", (_name, change, path) => {
    expect(checkEvent("id.login", { ...sampleLogin, ...change })).toMatchObject([{ path }]);
    expect(admitLogin(change)).toMatchObject({
      kind: "dlq",
      code: "VIG_EVENT_FIELD_INVALID",
      details: { path },
    });
  });
});

describe("what is at the limit passes", () => {
  test.each([
    ["poles", { location: { ...sampleLogin.location, lat: -90, lon: 180, accuracy_m: 0 } }],
    ["the end of 9999", { absolute_expires_at: LAST_MS }],
    ["mcc 200", { sim: { mcc: 200, mnc: 0, carrier: "" } }],
    ["32 roles of 128", { roles: Array.from({ length: 32 }, () => "r".repeat(128)) }],
    ["a failure without a session", { kind: "AUTH_FAIL", session_id: null }],
    ["all that may be null", { network: null, device: null, location: null, sim: null }],
  ])("%s", (_name, change) => {
    expect(admitLogin(change).kind).toBe("ok");
  });
});

test("a key of another user never touches this user's state", () => {
  for (const key of ["molam-sn|usr_00012346", "molam-sn", "", "molam-snXusr_00012345", "|"]) {
    expect(admitLogin({}, key)).toEqual({
      kind: "dlq",
      code: "VIG_RECORD_KEY_MISMATCH",
      details: {},
    });
  }
});

test("a key matches exactly when it is tenant, bar, user", () => {
  const part = fc.stringMatching(/^[a-c]{1,3}$/);
  const key = fc.stringMatching(/^[a-c|]{0,7}$/);
  fc.assert(
    fc.property(part, part, key, (tenant_id, user_id, key) => {
      const outcome = admitLogin({ tenant_id, user_id }, key);
      expect(outcome.kind === "ok").toBe(key === `${tenant_id}|${user_id}`);
    }),
  );
});

test("event time may be 5 min ahead of and 30 days behind its arrival, not a millisecond more", () => {
  const at = (occurred_at: number) => admitLogin({ occurred_at });
  expect(at(SAMPLE_TIME_MS + 5 * MINUTE_MS).kind).toBe("ok");
  expect(at(SAMPLE_TIME_MS + 5 * MINUTE_MS + 1)).toMatchObject({ code: "VIG_EVENT_AHEAD" });
  expect(at(SAMPLE_TIME_MS - 30 * DAY_MS).kind).toBe("ok");
  expect(at(SAMPLE_TIME_MS - 30 * DAY_MS - 1)).toMatchObject({ code: "VIG_EVENT_TOO_OLD" });
});

test("a kind that this reader does not know is dropped and counted, never a dead letter", () => {
  expect(admitLogin({ kind: "UNKNOWN" })).toEqual({ kind: "drop", reason: "unknown_kind" });
  expect(admitEvent("id.mfa", { ...sampleMfa, kind: "UNKNOWN" }, SAMPLE_KEY, limits)).toEqual({
    kind: "drop",
    reason: "unknown_kind",
  });
});

test("a long user agent is cut to 1,024 characters, between characters, and is no fault", () => {
  const user_agent = `${"a".repeat(1_023)}😀\u0000`;
  const outcome = admitLogin({ network: { ip: null, user_agent } });
  const cut = outcome.kind === "ok" ? (outcome.value as LoginEvent).network?.user_agent : null;
  expect(cut?.length).toBe(1_024);
  expect(cut?.isWellFormed()).toBe(true);
});

test("a NUL leaves the user agent, since no database takes it", () => {
  const outcome = admitLogin({ network: { ip: null, user_agent: "a\u0000b" } });
  expect(outcome).toMatchObject({ value: { network: { user_agent: "ab" } } });
});

test("fields that a projection left out are not judged", () => {
  const { tenant_id, user_id, occurred_at } = sampleLogin;
  expect(admitEvent("id.login", { tenant_id, user_id, occurred_at }, SAMPLE_KEY, limits).kind).toBe(
    "ok",
  );
});

test("a command names what it is about", () => {
  const command = {
    command_id: "c",
    tenant_id: "t",
    user_id: "u",
    requested_at: SAMPLE_TIME_MS,
    session_id: null,
    device_id: null,
    channel: null,
    reason: "admin",
  };
  const paths = (kind: string) =>
    checkEvent("id.session.command", { ...command, kind }).map((fault) => fault.path);
  expect(paths("REVOKE_SESSION")).toEqual(["session_id"]);
  expect(paths("REVOKE_DEVICE")).toEqual(["device_id"]);
  expect(paths("REVOKE_CHANNEL")).toEqual(["channel"]);
  expect(paths("REVOKE_ALL")).toEqual([]);
});

test("a time that no store takes is a fault of any contract, whoever reads it", () => {
  const anomaly = sampleAnomaly(SAMPLE_TIME_MS);
  const key = `${anomaly.tenant_id}|${anomaly.user_id}`;
  for (const field of ["occurred_at", "detected_at"]) {
    for (const ms of [-1, LAST_MS + 1, Number.MAX_SAFE_INTEGER, Number.NaN]) {
      const outcome = admitEvent("id.session.anomaly", { ...anomaly, [field]: ms }, key, limits);
      expect(outcome).toMatchObject({ kind: "dlq", details: { path: field } });
    }
  }
  expect(admitEvent("id.session.anomaly", anomaly, key, limits).kind).toBe("ok");
});
