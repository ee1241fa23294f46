import assert from "node:assert/strict";
import { test } from "vitest";
import { isWeakPin } from "./weak-pin.ts";

test.each([
  "0000",
  "11111",
  "999999",
  "1212",
  "121212",
  "123123",
  "1234",
  "012345",
  "4321",
  "987654",
])("%s is among the first that anybody tries", (pin) => assert.equal(isWeakPin(pin), true));

test.each(["8305", "1235", "1221", "83052", "135790", "112233", "2580"])("%s is not", (pin) => {
  assert.equal(isWeakPin(pin), false);
});

test("few PINs are refused: guessing is not made easier by it", () => {
  const four = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, "0"));
  assert.equal(four.filter(isWeakPin).length, 114);
});
