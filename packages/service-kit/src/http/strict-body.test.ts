import assert from "node:assert/strict";
import type { FastifySchemaCompiler } from "fastify";
import { test } from "vitest";
import { strictBody, strictQuery } from "./strict-body.ts";

const codeOf = (compiler: FastifySchemaCompiler<unknown>, text: string): string | undefined => {
  const properties = { name: { type: "string", maxLength: 4 } };
  const schema = { type: "object", properties, additionalProperties: false };
  const judged = compiler({ schema, method: "POST", url: "/" })({ name: text });
  return (judged as { error?: { code: string } }).error?.code;
};

test.each([
  ["a body", strictBody, "VIG_BODY_INVALID"],
  ["a query", strictQuery, "VIG_QUERY_INVALID"],
])("%s counts lengths in units of UTF-16, as contracts do", (_what, compiler, code) => {
  assert.equal(codeOf(compiler, "abcd"), undefined);
  assert.equal(codeOf(compiler, "\u{1f600}\u{1f600}"), undefined);
  assert.equal(codeOf(compiler, "abcde"), code);
  assert.equal(codeOf(compiler, "\u{1f600}\u{1f600}a"), code);
});
