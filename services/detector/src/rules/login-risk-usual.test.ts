import { Reader, Writer } from "@vigie/core/bytes";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TRAIT_BITS, TRAIT_COUNT, type Traits } from "#enrich/traits";
import { Usual, WINDOW_MAX } from "./login-risk-usual.ts";

/** Values that differ in the half of the hash that is kept. */
const all = (value: number): Traits => new Array<number>(TRAIT_COUNT).fill(value * 65_536);
const usualOf = (logins: readonly Traits[]): Usual =>
  logins.reduce((usual, traits) => usual.plus(traits), Usual.none);

function bytesOf(usual: Usual): Buffer {
  const writer = new Writer();
  usual.write(writer);
  return writer.finish();
}

function stored(usual: Usual): Usual {
  // In the middle of other bytes, as a part of a state lies.
  const bytes = Buffer.concat([Buffer.from([9, 9]), bytesOf(usual), Buffer.from([9])]);
  return Usual.read(new Reader(bytes, 2, bytes.length - 1));
}

const traitsOf = (value: fc.Arbitrary<number>): fc.Arbitrary<Traits> =>
  fc.array(value, { minLength: TRAIT_COUNT, maxLength: TRAIT_COUNT });
const anyTraits = traitsOf(fc.nat(3).map((value) => value * 65_536));
const hostile = traitsOf(fc.nat(2 ** TRAIT_BITS - 1));

describe("what a user usually logs in with", () => {
  test("is counted by trait", () => {
    const usual = usualOf([all(1), all(1), [65_536, ...all(2).slice(1)]]);
    expect(usual.loginsEver).toBe(3);
    expect(usual.logins).toBe(3);
    expect([...usual.countsOf(all(1))]).toEqual([3, 2, 2, 2, 2, 2, 2]);
    expect([...usual.countsOf(all(2))]).toEqual([0, 1, 1, 1, 1, 1, 1]);
  });

  test("takes 23 bytes for one who always has the same, and 173 at most", () => {
    expect(bytesOf(usualOf([all(1), all(1)]))).toHaveLength(23);
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 300 }), (logins) => {
        expect(bytesOf(usualOf(logins)).length).toBeLessThanOrEqual(173);
      }),
      { numRuns: 20 },
    );
  });

  test("does not depend on the order, while all values fit", () => {
    fc.assert(
      fc.property(
        fc.array(anyTraits, { maxLength: WINDOW_MAX - 1 }),
        anyTraits,
        (logins, asked) => {
          const [one, other] = [usualOf(logins), usualOf(logins.toReversed())];
          expect(one.countsOf(asked)).toEqual(other.countsOf(asked));
          expect(one.loginsEver).toBe(other.loginsEver);
        },
      ),
    );
  });

  test("keeps what comes most when there is too much", () => {
    let usual = usualOf([all(7), all(7)]);
    for (let i = 100; i < 140; i++) usual = usual.plus(all(i));
    expect([...usual.countsOf(all(7))]).toEqual(Array(TRAIT_COUNT).fill(2));
    expect([...usual.countsOf(all(139))]).toEqual(Array(TRAIT_COUNT).fill(1));
    expect([...usual.countsOf(all(100))]).toEqual(Array(TRAIT_COUNT).fill(0));
  });

  test("is halved when the window is full, and what came once is forgotten", () => {
    let usual = usualOf([all(9)]);
    for (let i = 1; i < WINDOW_MAX; i++) usual = usual.plus(all(1));
    expect(usual).toMatchObject({ loginsEver: WINDOW_MAX, logins: WINDOW_MAX / 2 });
    expect(usual.countsOf(all(1))[0]).toBe((WINDOW_MAX - 1) >> 1);
    expect(usual.countsOf(all(9))[0]).toBe(0);
  });

  test("never counts more than there are logins", () => {
    fc.assert(
      fc.property(fc.array(anyTraits, { maxLength: 400 }), anyTraits, (logins, asked) => {
        const usual = usualOf(logins);
        for (const count of usual.countsOf(asked)) expect(count).toBeLessThanOrEqual(usual.logins);
      }),
      { numRuns: 50 },
    );
  });

  test("is the same after it was stored", () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 150 }), hostile, (logins, next) => {
        const usual = usualOf(logins);
        expect(bytesOf(stored(usual))).toEqual(bytesOf(usual));
        expect(bytesOf(stored(usual).plus(next))).toEqual(bytesOf(usual.plus(next)));
      }),
      { numRuns: 50 },
    );
  });
});
