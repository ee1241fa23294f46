import { defaultPolicy, overlayPolicy } from "@vigie/core/policy";
import { describe, expect, test } from "vitest";
import { Reader, Writer } from "#state/bytes";
import { examples as bruteforceExamples } from "./bruteforce.examples.ts";
import type { Example } from "./example.ts";
import { examples as fingerprintExamples } from "./fingerprint-mismatch.examples.ts";
import { examples as travelExamples } from "./impossible-travel.examples.ts";
import { rules } from "./index.ts";
import { examples as loginRiskExamples } from "./login-risk.examples.ts";
import type { AnyRule, EnrichedEvent, Finding } from "./rule.ts";

const examplesOf: Readonly<Record<string, readonly Example[]>> = {
  impossible_travel: travelExamples,
  fingerprint_mismatch: fingerprintExamples,
  bruteforce: bruteforceExamples,
  login_risk: loginRiskExamples,
};

/** Runs an example; `stored`: the state passes through its bytes after every event. */
function run(rule: AnyRule, example: Example, stored: boolean): readonly Finding[] {
  const policy = overlayPolicy(defaultPolicy, example.policy ?? {});
  let state: unknown = rule.initial;
  const looks = ({ kind }: EnrichedEvent): boolean => rule.meta.events.includes(kind);
  for (const event of example.given.filter(looks)) {
    state = rule.step(state, event, policy).state;
    if (stored) state = throughBytes(rule, state);
  }
  return looks(example.when) ? rule.step(state, example.when, policy).findings : [];
}

function throughBytes(rule: AnyRule, state: unknown): unknown {
  const writer = new Writer();
  rule.write(writer, state);
  const bytes = writer.finish();
  return rule.read(new Reader(bytes, 0, bytes.length));
}

describe.each(rules)("$meta.name", (rule) => {
  const examples = examplesOf[rule.meta.name] ?? [];

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

test("every rule has a name, a part and a version of its own", () => {
  expect(new Set(rules.map(({ meta }) => meta.name)).size).toBe(rules.length);
  expect(new Set(rules.map(({ meta }) => meta.part)).size).toBe(rules.length);
  expect(Object.keys(examplesOf).sort()).toEqual(rules.map(({ meta }) => meta.name).sort());
});
