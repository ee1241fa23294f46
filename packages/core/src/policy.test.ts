import { expect, test } from "vitest";
import { defaultPolicy, overlayPolicy, parsePolicy } from "./policy.ts";

test("POL-04: a document overrides what it names and keeps the default of the rest", () => {
  const parsed = parsePolicy(
    '{"impossible_travel":{"kmh_threshold":800},"rules":{"bruteforce":{"mode":"SHADOW","risk_score":60}}}',
  );
  expect(parsed.faults).toBeUndefined();
  const policy = overlayPolicy(defaultPolicy, parsed.overlay ?? {});
  expect(policy.impossible_travel).toEqual({
    kmh_threshold: 800,
    distance_min_km: 100,
    skew_s: 60,
  });
  expect(policy.max_failed_mfa_hour).toEqual({ count: 5 });
  expect(policy.rules.bruteforce).toEqual({ mode: "SHADOW", risk_score: 60 });
});

test("a tenant's switch of one rule leaves the default's other switches", () => {
  const base = overlayPolicy(defaultPolicy, { rules: { bruteforce: { mode: "SHADOW" } } });
  const policy = overlayPolicy(base, { rules: { bruteforce: { action: "BLOCK" } } });
  expect(policy.rules.bruteforce).toEqual({ mode: "SHADOW", action: "BLOCK" });
});

test.each([
  ["not JSON", "{", "the document is not a JSON object"],
  ["an array", "[]", "the document is not a JSON object"],
  ["a number for a part", '{"idle_timeout":3}', "idle_timeout is not an object"],
  [
    "a text for a number",
    '{"idle_timeout":{"minutes":"30"}}',
    "idle_timeout.minutes is not a number 1..1440",
  ],
  [
    "too low a speed",
    '{"impossible_travel":{"kmh_threshold":299}}',
    "impossible_travel.kmh_threshold is not a number 300..100000",
  ],
  [
    "half a failure",
    '{"max_failed_mfa_hour":{"count":2.5}}',
    "max_failed_mfa_hour.count is not an integer 1..30",
  ],
  [
    "an unknown mode",
    '{"rules":{"bruteforce":{"mode":"LOUD"}}}',
    "rules.bruteforce.mode is unknown",
  ],
  [
    "a rule that is none",
    '{"rules":{"__proto__":{"mode":"OFF"}}}',
    "rules.__proto__ is not an object under a rule's name",
  ],
])("POL-05: %s makes a document invalid and says where", (_what, text, fault) => {
  expect(parsePolicy(text).faults).toEqual([fault]);
});

test("fields of a newer version are left alone", () => {
  expect(parsePolicy('{"idle_timeout":{"minutes":5,"grace":1},"later":true}').overlay).toEqual({
    idle_timeout: { minutes: 5 },
  });
});
