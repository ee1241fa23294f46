import { expect, test } from "vitest";
import { markOf } from "./watched.ts";

test("forms of one address have one mark; four thousand marks tell most addresses apart", () => {
  expect(markOf(" 41.82.0.1 ")).toBe(markOf("41.82.0.1"));
  for (const text of ["2C0F:F248:0:0::1", "2c0f:f248::1%eth0", " 2c0f:f248::1%1 "]) {
    expect(markOf(text)).toBe(markOf("2c0f:f248::1"));
  }
  expect(markOf("::ffff:41.82.0.1%1")).toBe(markOf("41.82.0.1"));
  const marks = Array.from({ length: 4_096 }, (_, n) => markOf(`41.82.${n >> 8}.${n & 255}`));
  // Source: of n marks drawn n times, n (1 - 1/e) come: 2,589.
  expect(new Set(marks).size).toBeGreaterThan(2_400);
  expect(Math.max(...marks)).toBeLessThan(4_096);
});
