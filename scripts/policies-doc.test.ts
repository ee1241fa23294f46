import { readFileSync } from "node:fs";
import { defaultPolicy, policySchema } from "@vigie/core/policy";
import { expect, test } from "vitest";

/** docs/policies.md tells of every field that a policy may have, with its parts, bounds and default. */

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
}

const page = readFileSync(new URL("../docs/policies.md", import.meta.url), "utf8");
const rows = page
  .split("\n")
  .filter((line) => line.startsWith("| `"))
  .map((line) => line.split(" | "));

const fields = (policySchema() as Schema).properties ?? {};

/** Names in the first cell: fields in quotes of their own, the parts of them in braces. */
const namesIn = (cell = ""): readonly string[] =>
  [...cell.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);

const english = new Intl.NumberFormat("en-US");

test("every field has a row, and every row a field", () => {
  expect(rows.flatMap(([first]) => namesIn(first)).sort()).toEqual(Object.keys(fields).sort());
});

test.each(Object.entries(fields))("%s: its parts and bounds are told of", (name, schema) => {
  const row = rows.find(([first]) => namesIn(first).includes(name)) ?? [];
  const [, , bounds = ""] = row;
  for (const [part, { minimum, maximum, enum: words = [] }] of Object.entries(
    schema.properties ?? {},
  )) {
    expect(row[0], part).toMatch(new RegExp(`\\{[^}]*\\b${part}\\b`));
    if (minimum !== undefined && maximum !== undefined) {
      expect(bounds).toContain(`${english.format(minimum)}..${english.format(maximum)}`);
    }
    for (const word of words) expect(row.join(" | ")).toContain(`\`${word}\``);
  }
});

test("the defaults of numbers are told of", () => {
  for (const [name, part] of Object.entries(defaultPolicy)) {
    const row = rows.find(([first]) => namesIn(first).includes(name)) ?? [];
    for (const value of Object.values(part)) {
      if (typeof value === "number")
        expect(row[1], name).toMatch(new RegExp(`(^|\\D)${value}(\\D|$)`));
    }
  }
});
