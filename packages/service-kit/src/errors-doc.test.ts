import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { catalogue, type ErrorSpec } from "@vigie/core/catalogue";
import { test } from "vitest";

const page = readFileSync(resolve(import.meta.dirname, "../../../docs/errors.md"), "utf8");

/**
 * Rows of the page that do not say what the catalogue says, and codes that only one of them has.
 */
function differences(markdown: string, codes: Readonly<Record<string, ErrorSpec>>): string[] {
  const rows = [...markdown.matchAll(/^\| `(VIG_[A-Z_]+)` \| (\d+) \| (yes|no) \| (.+) \|$/gm)];
  const explained = new Map(rows.map(([, code = "", ...cells]) => [code, cells]));
  const missing = Object.keys(codes).filter((code) => !explained.has(code));
  const faults = missing.map((code) => `${code} is not explained in docs/errors.md`);
  for (const [code, [status, retry]] of explained) {
    const spec = codes[code];
    if (spec === undefined) faults.push(`${code} is not in the catalogue`);
    else if (String(spec.status) !== status) faults.push(`${code} has status ${spec.status}`);
    else if (spec.retry !== (retry === "yes")) faults.push(`${code} has retry ${spec.retry}`);
  }
  const twice = rows.length - explained.size;
  return twice > 0 ? [...faults, `${twice} codes are explained twice`] : faults;
}

test("SES-28: docs/errors.md explains every code of the catalogue and no other", () => {
  assert.deepEqual(differences(page, catalogue), []);
});

test("the check finds a missing, an unknown, a repeated and a wrong row", () => {
  const spec = { status: 422, retry: false, text: "" };
  const row = (code: string, status = 422, retry = "no") =>
    `| \`${code}\` | ${status} | ${retry} | why |\n`;
  const finds = (markdown: string) => differences(markdown, { VIG_A: spec }).length;
  assert.equal(finds(row("VIG_A")), 0);
  assert.equal(finds(""), 1);
  assert.equal(finds(row("VIG_A") + row("VIG_B")), 1);
  assert.equal(finds(row("VIG_A") + row("VIG_A")), 1);
  assert.equal(finds(row("VIG_A", 500)), 1);
  assert.equal(finds(row("VIG_A", 422, "yes")), 1);
});
