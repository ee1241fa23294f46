import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { checkPolicy, policySchema } from "@vigie/core/policy";
import { anyDocument } from "@vigie/core/testing/policies";
import fc from "fast-check";
import { expect, test } from "vitest";

type AjvClass = new (options: object) => { compile(schema: object): (value: unknown) => boolean };
const Ajv = createRequire(import.meta.url)("ajv/dist/2020") as AjvClass;
const isSound = new Ajv({ allErrors: true, strict: true }).compile(policySchema());

/** A value anywhere in a document becomes another one. */
function spoiled(document: unknown, path: readonly number[], value: unknown): unknown {
  if (typeof document !== "object" || document === null || path.length === 0) return value;
  const entries = Object.entries(document);
  const chosen = (path[0] as number) % (entries.length + 1);
  if (chosen === entries.length) return { ...document, [JSON.stringify(value)]: value };
  return Object.fromEntries(
    entries.map(([name, part], at) => [
      name,
      at === chosen ? spoiled(part, path.slice(1), value) : part,
    ]),
  );
}

const anything = fc.oneof(
  fc.constantFrom(-1, 0, 0.5, 1, 5, 31, 101, 721, 1_441, 1e9, "OFF", "SN", "sn", "WEB", "log_only"),
  fc.constantFrom(null, true, "", [], ["SN"], ["SN", "SN"], {}, { minutes: 1 }, { count: 1 }),
  fc.jsonValue({ maxDepth: 1 }),
);

test("the published schema takes what the parser takes, and refuses what it refuses", () => {
  const verdicts = new Set<boolean>();
  fc.assert(
    fc.property(
      anyDocument,
      fc.array(fc.nat(), { maxLength: 4 }),
      anything,
      (over, path, value) => {
        const document: unknown = JSON.parse(JSON.stringify(spoiled(over, path, value)));
        const verdict = checkPolicy(document).faults === undefined;
        verdicts.add(verdict);
        expect(isSound(document), JSON.stringify(document)).toBe(verdict);
      },
    ),
    { numRuns: 2_000 },
  );
  expect(verdicts).toEqual(new Set([true, false]));
});

test("every sound document is taken by both", () => {
  fc.assert(
    fc.property(anyDocument, (over) => {
      expect(checkPolicy(over).faults).toBeUndefined();
      expect(isSound(over)).toBe(true);
    }),
  );
});

test("the published file is the parser's schema", () => {
  const file = new URL("../policy.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(policySchema());
});
