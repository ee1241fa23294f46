import assert from "node:assert/strict";
import fc from "fast-check";
import { expect, test } from "vitest";
import { NameHash } from "./name-hash.ts";
import { firstSlotOf, LENGTH_DEFAULT, Precisions } from "./precisions.ts";

test("tells what was last set, and the default of who said nothing or is as everybody again", () =>
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.constantFrom(2, 3, 5, 6, 7)), {
        maxLength: 5_000,
        size: "max",
      }),
      (sets) => {
        const precisions = new Precisions();
        const model = new Map<string, number>();
        for (const [user, length] of sets) {
          precisions.set(`acme|u-${user}`, length);
          model.set(`acme|u-${user}`, length);
        }
        for (let user = 0; user <= 3_000; user++) {
          const name = `acme|u-${user}`;
          assert.equal(precisions.of(name), model.get(name) ?? LENGTH_DEFAULT);
        }
      },
    ),
    { numRuns: 20 },
  ));

test("who is as everybody takes no room, and loses it with the next growth", () => {
  const precisions = new Precisions();
  for (let user = 0; user < 10_000; user++) precisions.set(`acme|u-${user}`, LENGTH_DEFAULT);
  expect(precisions.size).toBe(0);
  for (let turn = 0; turn < 50; turn++) {
    for (const length of [7, LENGTH_DEFAULT]) {
      for (let user = 0; user < 500; user++) precisions.set(`acme|u-${turn}-${user}`, length);
    }
  }
  expect(precisions.size).toBeLessThan(1_024);
  expect(precisions.bytes).toBeLessThan(20_000);
});

test("100,000 people who differ take 9 bytes a slot, at most two thirds of which are full", () => {
  const precisions = new Precisions();
  for (let user = 0; user < 100_000; user++) precisions.set(`acme|u-${user}`, 3);
  expect(precisions.size).toBe(100_000);
  expect(precisions.bytes).toBe(9 * 262_144);
});

test("names that are numbered are found as soon as any others, whatever hash was drawn", () => {
  // Given a table of 16,384 slots, two thirds full
  const mask = 16_383;
  const numbers = Array.from({ length: 10_922 }, (_, at) => at);
  const names = numbers.map((at) => `acme|${String.fromCharCode(0x4e00 + at)}`);
  for (let draw = 0; draw < 100; draw++) {
    const hash = new NameHash();
    const full = new Uint8Array(mask + 1);
    let looks = 0;
    for (const name of names) {
      let slot = firstSlotOf(hash.of(name), mask);
      for (looks++; full[slot]; looks++) slot = (slot + 1) & mask;
      full[slot] = 1;
    }
    // Two by Knuth, TAOCP 3, 6.4, for hashes at random: (1 + 1 / (1 - 2/3)) / 2; 2.64 at most in 230,000 draws.
    expect(looks / names.length).toBeLessThan(3);
  }
});
