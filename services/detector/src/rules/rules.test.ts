import { defaultPolicy, overlayPolicy, RULE_NAMES } from "@vigie/core/policy";
import { describe, expect, test } from "vitest";
import { Reader, Writer } from "#state/bytes";
import { Habits } from "#state/habits";
import { anomalyOf } from "../anomaly.ts";
import { type Example, login } from "./example.ts";
import { rules } from "./index.ts";
import type { AnyRule, EnrichedEvent, Finding } from "./rule.ts";

/** The examples of a rule lie beside it: `<rule>.examples.ts`. */
const examplesOf = new Map<string, readonly Example[]>();
for (const { meta } of rules) {
  const file = meta.name.replaceAll("_", "-");
  const { examples } = (await import(`./${file}.examples.ts`)) as { examples: readonly Example[] };
  examplesOf.set(meta.name, examples);
}

/** Runs an example; `stored`: the state passes through its bytes after every event. */
function run(rule: AnyRule, example: Example, stored: boolean): readonly Finding[] {
  const policy = overlayPolicy(defaultPolicy, example.policy ?? {});
  let state: unknown = rule.initial;
  let habits = Habits.none;
  let findings: readonly Finding[] = [];
  for (const event of [...example.given, example.when]) {
    const known: EnrichedEvent = { ...event, habits };
    if (event.kind === "login_success") habits = habits.after(event);
    findings = [];
    if (!rule.meta.events.includes(event.kind)) continue;
    ({ state, findings } = rule.step(state, known, policy));
    if (stored) state = throughBytes(rule, state);
  }
  return findings;
}

function throughBytes(rule: AnyRule, state: unknown): unknown {
  const writer = new Writer();
  rule.write(writer, state);
  const bytes = writer.finish();
  return rule.read(new Reader(bytes, 0, bytes.length));
}

describe.each(rules)("$meta.name", (rule) => {
  const examples = examplesOf.get(rule.meta.name) ?? [];

  test("has examples", () => {
    expect(examples.length).toBeGreaterThan(0);
  });

  test.each(examples)("$name", (example) => {
    const findings = run(rule, example, true);
    expect(findings).toHaveLength(example.finds.length);
    example.finds.forEach(({ says, ...parts }, i) => {
      expect(findings[i]).toMatchObject(parts);
      expect(findings[i]?.explanation).toContain(says ?? "would not have");
    });
    expect(findings).toEqual(run(rule, example, false));
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
  const [example] = examplesOf.get(name)?.filter(({ finds }) => finds.length > 0) ?? [];
  const [found] = run(rule, example as Example, true);
  const policy = { version: 0, document: defaultPolicy };
  const anomaly = anomalyOf(rule.meta, found as Finding, login("10:00"), policy, 0);
  expect(anomaly).toMatchObject({ severity, risk_score: risk, action, mode: "ENFORCE" });
});
