import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TRAIT_COUNT } from "#enrich/traits";
import {
  asUsual,
  type Counted,
  type CountedPopulation,
  features,
  rarityOf,
  ratioOf,
  riskOf,
  weighed,
} from "./login-risk-score.ts";

const [network, client] = features as [(typeof features)[0], (typeof features)[0]];

/** Counts in the order address, asn, country; user agent, browser, system, device type. */
const user: Counted = { loginsEver: 10, logins: 10, counts: [4, 8, 10, 10, 10, 10, 10] };
const population: CountedPopulation = {
  loginsEver: 980,
  logins: 980,
  users: 98,
  counts: [50, 490, 882, 100, 196, 490, 980],
  // 20 unseen values each: 12 + 7 + 1 of the address, 10 + 5 + 4 + 1 of the client.
  distinct: [100, 12, 7, 40, 10, 5, 4],
};

describe("worked by hand", () => {
  test("the address of a user who is mostly there", () => {
    // p(x) = 0.6 · 50/1000 + 0.3 · 490/980 + 0.1 · 882/980 = 0.03 + 0.15 + 0.09 = 0.27
    // p(x|u) = 0.6 · 0.4 + 0.3 · 0.8 + 0.1 · 1 = 0.24 + 0.24 + 0.1 = 0.58
    expect(ratioOf(network, user, population)).toBeCloseTo(0.27 / 0.58, 12);
  });

  test("the client that the user always has", () => {
    // p(x) = 0.53867 · 0.1 + 0.26805 · 0.2 + 0.18818 · 0.5 + 0.00511 · 1 = 0.20667; p(x|u) = 1
    expect(ratioOf(client, user, population)).toBeCloseTo(0.20667, 5);
  });

  test("the score is their product, for a user who logs in as often as the average", () => {
    // 980 logins of 98 users: 10 each, as this one's.
    expect(rarityOf(user, population)).toBe(1);
    expect(riskOf(user, population)).toBeCloseTo((0.27 / 0.58) * 0.20667, 5);
    expect(riskOf({ ...user, loginsEver: 20 }, population)).toBeCloseTo(
      (0.135 / 0.58) * 0.20667,
      5,
    );
  });

  test("another operator of the same country", () => {
    // p(x|u) = 0.1; p(x) = 0.27
    const elsewhere = { ...user, counts: [0, 0, 10, 10, 10, 10, 10] };
    expect(ratioOf(network, elsewhere, population)).toBeCloseTo(2.7, 12);
  });

  test("a country that the user was never in, and where most others are", () => {
    // p(x|u) is taken as less than one visit would be worth: 0.1 / 11; 0.27 · 11 / 0.1 = 29.7
    const abroad = { ...user, counts: [0, 0, 0, 10, 10, 10, 10] };
    expect(ratioOf(network, abroad, population)).toBeCloseTo(29.7, 10);
  });

  test("a country that nobody was ever in counts four times", () => {
    // p(x) = 0.6 / 1000, far less than p(x|u) is taken for.
    const nobody = { ...population, counts: [0, 0, 0, 100, 196, 490, 980] };
    const abroad = { ...user, counts: [0, 0, 0, 10, 10, 10, 10] };
    expect(ratioOf(network, abroad, nobody)).toBe(4);
  });

  test("what weighed most is what would lower the score most", () => {
    // Address: 0.58 → 0.94 with all logins from this address, 0.64 with all from this operator.
    const all = weighed(user, population);
    expect(all.map(({ trait }) => trait)).toEqual(["address", "asn"]);
    expect(all[0]?.factor).toBeCloseTo(0.94 / 0.58, 12);
    expect(all[1]?.factor).toBeCloseTo(0.64 / 0.58, 12);
  });
});

/** Counts that logins can have: never more than there are logins. */
const counted = (most: number) =>
  fc.integer({ min: 1, max: most }).chain((logins) =>
    fc.record({
      loginsEver: fc.integer({ min: logins, max: logins * 10 }),
      logins: fc.constant(logins),
      counts: fc.array(fc.nat(logins), { minLength: TRAIT_COUNT, maxLength: TRAIT_COUNT }),
    }),
  );
const anyUser: fc.Arbitrary<Counted> = counted(127);
const anyPopulation: fc.Arbitrary<CountedPopulation> = counted(65_535).chain((own) =>
  fc.record({
    loginsEver: fc.constant(own.loginsEver),
    logins: fc.constant(own.logins),
    counts: fc.constant(own.counts),
    users: fc.integer({ min: 1, max: own.logins }),
    distinct: fc.array(fc.nat(512), { minLength: TRAIT_COUNT, maxLength: TRAIT_COUNT }),
  }),
);
const anyTrait = fc.nat(TRAIT_COUNT - 1);
const oneMore = (counts: ArrayLike<number>, trait: number, most: number): number[] =>
  Array.from(counts, (count, i) => (i === trait ? Math.min(count + 1, most) : count));

describe("for any counts", () => {
  test("a score is a number above 0", () => {
    fc.assert(
      fc.property(anyUser, anyPopulation, (own, others) => {
        const score = riskOf(own, others);
        expect(score).toBeGreaterThan(0);
        expect(score).toBeLessThan(Number.POSITIVE_INFINITY);
      }),
    );
  });

  test("a value that the user had in one more login never raises the score, from none on", () => {
    fc.assert(
      fc.property(anyUser, anyPopulation, anyTrait, (own, others, trait) => {
        const more = { ...own, counts: oneMore(own.counts, trait, own.logins) };
        expect(riskOf(more, others)).toBeLessThanOrEqual(riskOf(own, others));
      }),
    );
  });

  test("a value that more others have never lowers it: an attacker has it too", () => {
    fc.assert(
      fc.property(anyUser, anyPopulation, anyTrait, (own, others, trait) => {
        const more = { ...others, counts: oneMore(others.counts, trait, others.logins) };
        expect(riskOf(own, more)).toBeGreaterThanOrEqual(riskOf(own, others));
      }),
    );
  });

  test("a user's own usual login scores lower than the same login of one who never had any of it", () => {
    fc.assert(
      fc.property(anyUser, anyPopulation, (own, others) => {
        const always = { ...own, counts: Array<number>(TRAIT_COUNT).fill(own.logins) };
        const never = { ...own, counts: Array<number>(TRAIT_COUNT).fill(0) };
        expect(riskOf(always, others)).toBeLessThan(riskOf(never, others));
      }),
    );
  });

  test("what weighed is sorted, and each would lower the score by its factor", () => {
    fc.assert(
      fc.property(anyUser, anyPopulation, (own, others) => {
        const all = weighed(own, others);
        expect(all.map(({ factor }) => factor)).toEqual(
          all.map(({ factor }) => factor).toSorted((a, b) => b - a),
        );
        for (const { factor } of all) expect(factor).toBeGreaterThan(1);
      }),
    );
  });

  test("with every trait usual nothing weighs", () => {
    const usual = user.counts.length;
    const always = Array.from({ length: usual }, (_, i) => i).reduce(asUsual, user);
    expect(weighed(always, population)).toEqual([]);
  });
});
