import { defaultPolicy, RULE_NAMES } from "@vigie/core/policy";
import { describe, expect, test } from "vitest";
import { anomalyOf } from "../anomaly.ts";
import { type Example, login } from "./example.ts";
import { rules } from "./index.ts";
import type { AnyRule, Finding } from "./rule.ts";
import { examplesOf, runExample } from "./run-example.ts";

const examplesByName = new Map<string, readonly Example[]>();
for (const rule of rules) examplesByName.set(rule.meta.name, await examplesOf(rule));

describe.each(rules)("$meta.name", (rule) => {
  const examples = examplesByName.get(rule.meta.name) ?? [];

  test("has examples", () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  test.each(examples)("$name", (example) => {
    const findings = runExample(rule, example);
    expect(findings).toHaveLength(example.finds.length);
    example.finds.forEach(({ says, ...parts }, i) => {
      expect(findings[i]).toMatchObject(parts);
      expect(findings[i]?.explanation).toContain(says ?? "would not have");
    });
    expect(findings).toEqual(runExample(rule, example, false));
  });
});

test("every rule has a name of its own that policies know, and a version", () => {
  expect(new Set(rules.map(({ meta }) => meta.name)).size).toBe(rules.length);
  for (const { meta } of rules) {
    expect(RULE_NAMES).toContain(meta.name);
    expect(meta.version).toMatch(/^[1-9][0-9]*$/);
  }
});

test("rules that share a part write it alike, and new_device steps before its devices are known", () => {
  const shared = rules.filter(({ meta }) => meta.part === 2).map(({ meta }) => meta.name);
  expect(shared).toEqual(["new_device", "fingerprint_mismatch"]);
  const others = rules.filter(({ meta }) => meta.part !== 2).map(({ meta }) => meta.part);
  expect(new Set(others).size).toBe(others.length);
});

/** Source: DESIGN, detector, table of rules. */
test.each([
  ["impossible_travel", "HIGH", 95, "STEP_UP"],
  ["fingerprint_mismatch", "HIGH", 70, "STEP_UP"],
  ["bruteforce", "HIGH", 80, "STEP_UP"],
  ["mfa_fatigue", "HIGH", 75, "STEP_UP"],
  ["geo_block", "CRITICAL", 90, "BLOCK"],
  ["country_mismatch", "MEDIUM", 50, "LOG_ONLY"],
  ["country_change", "MEDIUM", 40, "LOG_ONLY"],
  ["unusual_channel", "MEDIUM", 35, "LOG_ONLY"],
  ["vpn_detected", "LOW", 30, "LOG_ONLY"],
  ["new_device", "LOW", 25, "LOG_ONLY"],
])("%s is %s, risk %i, %s", (name, severity, risk, action) => {
  const rule = rules.find(({ meta }) => meta.name === name) as AnyRule;
  const [example] = examplesByName.get(name)?.filter(({ finds }) => finds.length > 0) ?? [];
  const [found] = runExample(rule, example as Example);
  const policy = { version: 0, document: defaultPolicy };
  const anomaly = anomalyOf(rule.meta, found as Finding, login("10:00"), policy, 0);
  expect(anomaly).toMatchObject({ severity, risk_score: risk, action, mode: "ENFORCE" });
});
