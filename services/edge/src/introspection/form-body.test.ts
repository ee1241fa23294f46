import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import fc from "fast-check";
import { test } from "vitest";
import { parametersOf } from "./form-body.ts";

/** As the platform's own reader says; null: a name comes twice. */
function expected(text: string): Readonly<Record<string, string>> | null {
  const pairs = [...new URLSearchParams(text)];
  const names = new Set(pairs.map(([name]) => name));
  return names.size === pairs.length ? Object.fromEntries(pairs) : null;
}

function actual(text: string): Readonly<Record<string, string>> | null {
  try {
    return { ...parametersOf(text) };
  } catch (error) {
    assert.ok(error instanceof VigError && error.code === "VIG_BODY_INVALID");
    return null;
  }
}

test.each([
  ["token=a.b-c_d", { token: "a.b-c_d" }],
  ["token=a%2Bb+c&token_type_hint=x", { token: "a+b c", token_type_hint: "x" }],
  ["&&token&x==1&", { token: "", x: "=1" }],
  ["=1", { "": "1" }],
  ["&a", { a: "" }],
  ["", {}],
  ["token=a&token=b", null],
])("%j is read as the standard says", (text, parameters) => {
  assert.deepEqual(actual(text), parameters);
});

test("a name that every object has is one like the others", () => {
  const read = parametersOf("__proto__=x&constructor=y");
  assert.deepEqual(Object.entries(read), [
    ["__proto__", "x"],
    ["constructor", "y"],
  ]);
  assert.throws(() => parametersOf("__proto__=x&__proto__=y"), { code: "VIG_BODY_INVALID" });
});

test("a form is read as the platform reads it, with escapes or without", () => {
  const piece = fc.constantFrom(
    "a",
    "token",
    "=",
    "&",
    "%",
    "%41",
    "+",
    ".",
    "-",
    "_",
    "~",
    "é",
    "?",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = pieces.join("");
      assert.deepEqual(actual(text), expected(text));
    }),
  );
});
