import { readFileSync } from "node:fs";
import { defaultPolicy, overlayPolicy, RULE_NAMES } from "@vigie/core/policy";
import { MINUTE_MS } from "@vigie/core/time";
import { rules as detectorRules } from "@vigie/detector/rules/index";
import type { AnyRule } from "@vigie/detector/rules/rule";
import { examplesOf, runExample } from "@vigie/detector/rules/run-example";
import * as spray from "@vigie/detector/spray/credential-spray";
import { examples as sprays } from "@vigie/detector/spray/credential-spray.examples";
import { type AnomalyRule, actionBySeverity } from "@vigie/schemas/anomaly";
import { loadContracts } from "@vigie/schemas/contracts";
import { rules as sessionRules } from "@vigie/sessions/finding";
import { heartbeat, login, sessionsDriver, T0 } from "@vigie/sessions/testing";
import { expect, test } from "vitest";

/** docs/anomalies.md says of every rule what the rules, and their worked examples, say themselves. */

const page = readFileSync(new URL("../docs/anomalies.md", import.meta.url), "utf8");

type Evidence = Readonly<Record<string, string>>;

const ofRule = async (rule: AnyRule): Promise<readonly Evidence[]> =>
  (await examplesOf(rule)).flatMap((example) =>
    runExample(rule, example).map(({ evidence }) => evidence),
  );

const ofSprays = (): readonly Evidence[] =>
  sprays.flatMap(({ given, when, policy = {} }) => {
    const document = overlayPolicy(defaultPolicy, policy);
    let tries = spray.nothingKnown;
    return [...given, when].flatMap((each) => {
      const next = spray.step(tries, each, document, each.atMs);
      tries = next.state;
      return next.findings.map(({ evidence }) => evidence);
    });
  });

/** A sixth session revokes the first, which is still in use two minutes later. */
function ofSessions(kind: string): readonly Evidence[] {
  const sessions = sessionsDriver();
  for (let n = 0; n < 6; n++) sessions.at(T0 + n, "id.login", login({ session_id: `s-${n}` }));
  sessions.at(T0 + 2 * MINUTE_MS, "id.heartbeat", heartbeat({ session_id: "s-0" }));
  const found = sessions.anomalies().filter((anomaly) => anomaly.kind === kind);
  return found.map(({ evidence }) => evidence);
}

interface Told {
  readonly meta: AnomalyRule & { readonly mode?: string };
  readonly evidence: readonly Evidence[];
}

const told: readonly Told[] = [
  ...(await Promise.all(
    detectorRules.map(async (rule) => ({ meta: rule.meta, evidence: await ofRule(rule) })),
  )),
  { meta: spray.meta, evidence: ofSprays() },
  ...Object.values(sessionRules).map((meta) => ({ meta, evidence: ofSessions(meta.name) })),
];

/** The rows of a section's table, without its head. */
function rowsOf(section: string): readonly (readonly string[])[] {
  const text = page.split(`\n## ${section}\n`)[1]?.split("\n## ")[0] ?? "";
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
}

const quoted = (cell = ""): readonly string[] =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);

test("every kind that policies know is found by a rule, and told of", () => {
  expect(told.map(({ meta }) => meta.name).sort()).toEqual([...RULE_NAMES].sort());
});

test("the kinds have the severity, risk, action and mode of their rules", () => {
  const rows = told.map(({ meta: { name, severity, riskScore, action, mode } }) =>
    [
      `\`${name}\``,
      severity,
      riskScore,
      action ?? actionBySeverity[severity],
      mode ?? "ENFORCE",
    ].map(String),
  );
  expect([...rowsOf("Kinds")].sort()).toEqual(rows.sort());
});

test("the evidence of every kind is what its examples bring, and nothing else", () => {
  const keys = new Map<string, Set<string>>();
  let kind = "";
  for (const [first, second] of rowsOf("Evidence")) {
    kind = quoted(first)[0] ?? kind;
    keys.set(kind, new Set([...(keys.get(kind) ?? []), ...quoted(second)]));
  }
  expect([...keys.keys()].sort()).toEqual(told.map(({ meta }) => meta.name).sort());
  for (const { meta, evidence } of told) {
    const documented = [...(keys.get(meta.name) ?? [])];
    const isOf = (name: string, pattern: string): boolean =>
      pattern.startsWith("*") ? name.endsWith(pattern.slice(1)) : name === pattern;
    const found = [...new Set(evidence.flatMap((each) => Object.keys(each)))];
    const named = (name: string) => documented.find((pattern) => isOf(name, pattern)) ?? name;
    expect([...new Set(found.map(named))].sort(), meta.name).toEqual(documented.sort());
  }
});

test("every field of a record is told of", () => {
  const fields = loadContracts().get("id.session.anomaly")?.schema.fields ?? [];
  expect(rowsOf("A record").flatMap(([first]) => quoted(first))).toEqual(
    fields.map(({ name }) => name),
  );
});
