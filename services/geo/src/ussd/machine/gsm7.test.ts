import assert from "node:assert/strict";
import { test } from "vitest";
import { gsmLength, SCREEN_CHARS_MAX } from "./gsm7.ts";

const examples: [text: string, length: number | null][] = [
  ["", 0],
  ["Mon compte\n1. Vérifier", 22],
  ["Réessayez à 8 h, où?", 20],
  // A euro is an ESC and a letter
  ["5 €", 4],
  ["[1]", 5],
  // Capital only: the alphabet has no small one
  ["Ç", 1],
  ["Français", null],
  ["tête", null],
  ["l’aide", null],
  ["😀", null],
  ["a\tb", null],
  ["a\r\nb", null],
];

test.each(examples)("%j takes %s septets", (text, length) => {
  assert.equal(gsmLength(text), length);
});

test("the alphabet is 128 characters less CR and ESC, and 9 that take two septets", () => {
  // The euro, 20AC, is the last of them
  const all = Array.from({ length: 0x20b0 }, (_, code) => String.fromCodePoint(code));
  const lengths = all.map(gsmLength);
  assert.equal(lengths.filter((length) => length === 1).length, 126);
  assert.equal(lengths.filter((length) => length === 2).length, 9);
});

test("the bound is below what 160 octets hold: 182 septets", () => {
  assert.ok(SCREEN_CHARS_MAX <= Math.floor((160 * 8) / 7));
});
