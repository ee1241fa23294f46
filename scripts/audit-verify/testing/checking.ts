import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { verify } from "../verify.mjs";
import type { Lines } from "./lines.ts";

/** docs/audit-format.md and the verifier's usage say these. */
const EXIT = { intact: 0, tampered: 1, incomplete: 2, erased: 3, unreadable: 4 } as const;

export interface Case {
  readonly name: string;
  readonly given: Lines | Uint8Array;
  /** Options besides those of all. */
  readonly with?: Record<string, unknown>;
  readonly is: keyof typeof EXIT;
  /** The first bad leaf; absent: none can be told. */
  readonly index?: number;
  readonly why?: RegExp;
}

/** Files of a test, gone with it. */
export function createFiles(): (content: string | Uint8Array) => string {
  const folder = mkdtempSync(join(tmpdir(), "vigie-audit-verify-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  let files = 0;
  return (content) => {
    files += 1;
    const path = join(folder, String(files));
    writeFileSync(path, content);
    return path;
  };
}

/** One test a row. */
export function createSuites(trust: Record<string, unknown>, file: (content: string) => string) {
  return (name: string, cases: readonly Case[]) =>
    describe(name, () => {
      test.each(cases)("$name", async (one) => {
        const content = Array.isArray(one.given) ? one.given.join("") : one.given;
        check(one, await verify(file(content as string), { ...trust, ...one.with }));
      });
    });
}

export function check(one: Omit<Case, "given">, result: Awaited<ReturnType<typeof verify>>): void {
  const told = JSON.stringify({ first: result.first, problems: result.problems.slice(0, 4) });
  assert.equal(result.verdict, one.is, told);
  assert.equal(result.exit, EXIT[one.is]);
  assert.equal(result.first?.index, one.index, told);
  if (one.why !== undefined) assert.match(told, one.why);
}
