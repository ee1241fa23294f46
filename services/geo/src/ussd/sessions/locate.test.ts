import assert from "node:assert/strict";
import { test } from "vitest";
import { dialledAfter } from "./locate.ts";

const examples: [code: string, dialled: string, rest: readonly string[] | null][] = [
  ["*131#", "*131#", []],
  ["*131#", "*131*1#", ["1"]],
  ["*131#", "*131*1*2#", ["1", "2"]],
  // A code may have parts of its own
  ["*384*96#", "*384*96*1#", ["1"]],
  ["*384*96#", "*384*9#", null],
  ["*131#", "*1319#", null],
  ["*131#", "*13#", null],
  ["*131#", "*131", null],
  ["*131#", "*131*#", [""]],
  ["*131#", "", null],
  ["+221338000000", "+221338000000", []],
  ["+221338000000", "+221338000001", null],
];

test.each(examples)("USS-06: with the code %s, %s has dialled %j", (code, dialled, rest) => {
  assert.deepEqual(dialledAfter(code, dialled), rest);
});
