import assert from "node:assert/strict";
import type { FastifySchemaCompiler } from "fastify";
import { test } from "vitest";
import { strictBody, strictQuery } from "./strict-body.ts";

const whyOf = (compiler: FastifySchemaCompiler<unknown>, text: string): string | undefined => {
  const properties = { name: { type: "string", maxLength: 4, pattern: "^[^|]*$" } };
  const schema = { type: "object", properties, additionalProperties: false };
  const judged = compiler({ schema, method: "POST", url: "/" })({ name: text });
  return (judged as { error?: Error }).error?.message;
};

test.each([
  ["a body", strictBody, "VIG_BODY_INVALID"],
  ["a query", strictQuery, "VIG_QUERY_INVALID"],
])("%s counts lengths in units of UTF-16, as contracts do", (_what, compiler, code) => {
  assert.equal(whyOf(compiler, "abcd"), undefined);
  assert.equal(whyOf(compiler, "\u{1f600}\u{1f600}"), undefined);
  for (const tooLong of ["abcde", "\u{1f600}\u{1f600}a", "abcd|"]) {
    const why = whyOf(compiler, tooLong) ?? "";
    assert.ok(why.startsWith(code), why);
    assert.match(why, /name.*must NOT have more than 4 characters/);
  }
});
