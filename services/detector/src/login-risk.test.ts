import { silentLogger } from "@vigie/core/log";
import type { PolicyOverlay } from "@vigie/core/policy";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { unknownAddress } from "@vigie/geoip/geoip";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import { expect, test } from "vitest";
import type { RawEvent } from "#enrich/event";
import { loginRisk } from "#rules/login-risk";
import type { FreshLogins, Population } from "#state/population";
import { createDetector } from "./app.ts";

const START_MS = Date.UTC(2026, 5, 1, 8);
const PHONE =
  "Mozilla/5.0 (Linux; Android 14; CPH2579) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.7444.48 Mobile Safari/537.36";
const DESKTOP = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";

/** The rule alone in the detector, and a tenant whose people all but one use one network and one browser. */
function tenant(policy: PolicyOverlay = {}) {
  const limits = { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 5 * MINUTE_MS };
  const geoip = { lookup: () => ({ ...unknownAddress, country: "SN", asn: 8_346 }) };
  const shared = { codecs: memoryCodecs(), geoip, log: silentLogger };
  const detector = createDetector({ ...shared, ...limits, rules: [loginRisk] });
  const driver = createDriver(detector, { startMs: START_MS + DAY_MS });
  driver.setGlobal("policy", "acme", {
    tenant_id: "acme",
    version: 1,
    updated_at: START_MS,
    actor: { type: "SYSTEM", id: "test", impersonator_id: null },
    document: JSON.stringify(policy),
  });
  let made = 0;
  const login = (userId: string, ip: string, agent: string, kind = "AUTH_SUCCESS"): void => {
    made += 1;
    const event: RawEvent = {
      event_id: `event-${made}`,
      tenant_id: "acme",
      user_id: userId,
      occurred_at: START_MS + made * SECOND_MS,
      session_id: `s-${made}`,
      channel: "WEB",
      kind,
      network: { ip, user_agent: agent },
      device: null,
      location: null,
    };
    driver.pipe("id.login", `acme|${userId}`, event);
  };
  for (let i = 0; i < 200; i++) login(`u-${i % 20}`, `102.89.1.${i}`, DESKTOP);
  for (let i = 0; i < 8; i++) login("u-me", `41.82.7.${i}`, PHONE);
  const anomalies = (): SessionAnomaly[] =>
    driver.read<SessionAnomaly>("login_risk").map(({ value }) => value);
  return { driver, login, anomalies };
}

test("RMP-02: a login that could be anybody's is told of in SHADOW, with what weighed most", () => {
  const { login, anomalies } = tenant();
  login("u-me", "41.82.7.77", PHONE);
  expect(anomalies()).toEqual([]);
  login("u-me", "102.89.1.5", DESKTOP);
  expect(anomalies()).toMatchObject([
    {
      kind: "login_risk",
      mode: "SHADOW",
      action: "LOG_ONLY",
      session_id: "s-210",
      evidence: { logins: "9", weighed: "user_agent,browser,system", system_share: "0.0/1.0" },
    },
  ]);
});

test("a policy puts it in force", () => {
  const { login, anomalies } = tenant({
    rules: { login_risk: { mode: "ENFORCE", action: "STEP_UP" } },
  });
  login("u-me", "102.89.1.5", DESKTOP);
  expect(anomalies()).toMatchObject([{ mode: "ENFORCE", action: "STEP_UP" }]);
});

test("a failed login is neither scored nor learned from", () => {
  const { login, anomalies, driver } = tenant();
  const before = driver.aggregate<FreshLogins>("fresh|acme")?.size;
  for (let i = 0; i < 20; i++) login("u-me", "102.89.1.5", DESKTOP, "AUTH_FAIL");
  expect(driver.aggregate<FreshLogins>("fresh|acme")?.size).toBe(before);
  expect(anomalies()).toEqual([]);
  login("u-me", "102.89.1.5", DESKTOP);
  expect(anomalies()).toHaveLength(1);
});

test("switched off, it keeps nothing", () => {
  const { driver } = tenant({ rules: { login_risk: { mode: "OFF" } } });
  expect(driver.aggregate("population|acme")).toBeNull();
  expect(driver.aggregate("fresh|acme")).toBeNull();
  expect(driver.state("acme|u-me")?.bytes.length).toBeLessThan(8 * 8 + 40);
});

test("PRV-14: an erasure takes what is usual for the user; the counts of all name nobody and stay", () => {
  const { driver, login, anomalies } = tenant();
  const counted = driver.aggregate<Population>("population|acme");
  driver.pipe("id.subject.erasure", "acme|u-me", {
    erasure_id: "x-1",
    tenant_id: "acme",
    user_id: "u-me",
    requested_at: START_MS + 209 * SECOND_MS,
    actor: { type: "USER", id: "u-me", impersonator_id: null },
  });
  expect(driver.state("acme|u-me")).toBeNull();
  expect(driver.aggregate("population|acme")).toEqual(counted);
  login("u-me", "102.89.1.5", DESKTOP);
  login("u-me", "102.89.1.5", DESKTOP);
  expect(anomalies()).toEqual([]);
});
