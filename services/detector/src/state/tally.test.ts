import { Reader, Writer } from "@vigie/core/bytes";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Tally } from "./tally.ts";

/** Counts values in portions of these sizes. */
function tallyOf(values: readonly number[], portion: number, capacity: number): Tally {
  let tally = Tally.none;
  for (let i = 0; i < values.length; i += portion) {
    tally = tally.plus(values.slice(i, i + portion), capacity);
  }
  return tally;
}

function bytesOf(tally: Tally): Buffer {
  const writer = new Writer();
  tally.write(writer);
  return writer.finish();
}

/** Few different values, so that they come again, and ones that need all 32 bits. */
const values = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 2 ** 32 - 8, max: 2 ** 32 - 1 })),
  { maxLength: 300 },
);

describe("a tally", () => {
  test("counts what came, and nothing else", () => {
    const tally = Tally.none.plus([7, 3, 7, 9], 10).plus([9, 9, 1], 10);
    expect([1, 3, 7, 9, 5].map((value) => tally.of(value))).toEqual([1, 1, 2, 3, 0]);
    expect(tally.size).toBe(4);
  });

  test("over its capacity, lowers all counts by the first that does not fit", () => {
    // 5, 3, 2 and 1 times: with room for two the third greatest, 2, is taken from all.
    const tally = Tally.none.plus([1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4], 2);
    expect([1, 2, 3, 4].map((value) => tally.of(value))).toEqual([3, 1, 0, 0]);
    expect(tally.size).toBe(2);
  });

  test("halved, forgets what came once", () => {
    const tally = Tally.none.plus([1, 1, 1, 2, 2, 3], 10).halved();
    expect([1, 2, 3].map((value) => tally.of(value))).toEqual([1, 1, 0]);
    expect(tally.size).toBe(2);
  });

  test("does not depend on the order while all values fit", () => {
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (some, one, other) => {
          const back = some.toReversed();
          expect(bytesOf(tallyOf(some, one, 64))).toEqual(bytesOf(tallyOf(back, other, 64)));
        },
      ),
    );
  });

  test("is never too high, and too low by at most N / (capacity + 1)", () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 40 }), (some, portion) => {
        const capacity = 5;
        const tally = tallyOf(some, portion, capacity);
        expect(tally.size).toBeLessThanOrEqual(capacity);
        for (const value of new Set(some)) {
          const truth = some.filter((each) => each === value).length;
          expect(tally.of(value)).toBeLessThanOrEqual(truth);
          expect(tally.of(value)).toBeGreaterThanOrEqual(truth - some.length / (capacity + 1));
        }
      }),
    );
  });

  test("is the same after it was stored", () => {
    fc.assert(
      fc.property(values, (some) => {
        const bytes = bytesOf(tallyOf(some, 32, 64));
        const again = Tally.read(new Reader(bytes, 0, bytes.length));
        expect(bytesOf(again)).toEqual(bytes);
        for (const value of some) expect(again.of(value)).toBeGreaterThan(0);
      }),
    );
  });
});
