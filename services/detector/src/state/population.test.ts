import type { AggregateChange } from "@vigie/stream/processor";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TRAIT_COUNT } from "#enrich/traits";
import { createAggregateCodec } from "./aggregates.ts";
import {
  countLogin,
  FRESH_MAX,
  FreshLogins,
  Population,
  populationOf,
  WINDOW_MAX,
} from "./population.ts";

const codec = createAggregateCodec();
const login = (value: number, newUser = false) => ({
  traits: new Array<number>(TRAIT_COUNT).fill(value),
  newUser,
});

/** Aggregates as a task keeps them; `stored`: each passes through its bytes whenever it is written. */
function partition(stored: boolean) {
  const kept = new Map<string, unknown>();
  const context = { aggregate: <A>(key: string) => (kept.get(key) ?? null) as A | null };
  const apply = (changes: readonly AggregateChange[]): void => {
    for (const { key, value } of changes) {
      kept.set(key, stored ? codec.decode(codec.encode(value), codec.version) : value);
    }
  };
  const bytes = (): string[] =>
    [...kept]
      .sort()
      .map(([key, value]) => `${key} ${Buffer.from(codec.encode(value)).toString("hex")}`);
  return { context, apply, bytes, kept };
}

describe("the population of a tenant", () => {
  test("is counted in portions, and lags behind by less than one", () => {
    const { context, apply } = partition(true);
    for (let i = 0; i < FRESH_MAX - 1; i++) apply(countLogin("acme", login(5, i === 0), context));
    expect(populationOf("acme", context).logins).toBe(0);
    apply(countLogin("acme", login(6, true), context));
    const population = populationOf("acme", context);
    expect(population).toMatchObject({ logins: FRESH_MAX, loginsEver: FRESH_MAX, users: 2 });
    expect([5, 6, 7].map((value) => population.count(0, value))).toEqual([FRESH_MAX - 1, 1, 0]);
    expect(population.distinct(TRAIT_COUNT - 1)).toBe(2);
  });

  test("counts in more than a portion, as a version with larger ones may have left it", () => {
    const { context, apply } = partition(true);
    let fresh = FreshLogins.none;
    for (let i = 0; i < FRESH_MAX * 2; i++) fresh = fresh.plus(login(5));
    apply([{ key: "fresh|acme", value: fresh }]);
    apply(countLogin("acme", login(5), context));
    expect(populationOf("acme", context).logins).toBe(FRESH_MAX * 2 + 1);
  });

  test("is one tenant's", () => {
    const { context, apply } = partition(false);
    for (let i = 0; i < FRESH_MAX; i++) apply(countLogin("acme", login(1), context));
    expect(populationOf("globex", context)).toBe(Population.none);
  });

  test("writes a login's own bytes, and the tables once in a portion", () => {
    const { context } = partition(false);
    const changes = countLogin("acme", login(1), context);
    expect(changes).toHaveLength(1);
    const bytes = changes.map(({ value }) => codec.encode(value).length);
    expect(bytes).toEqual([1 + 1 + 1 + TRAIT_COUNT * 4]);
  });

  test("is the same for any order of logins while all values fit, and whether or not it was stored in between", () => {
    const logins = fc.array(fc.record({ value: fc.nat(15), newUser: fc.boolean() }), {
      minLength: FRESH_MAX * 4,
      maxLength: FRESH_MAX * 4,
    });
    fc.assert(
      fc.property(logins, (some) => {
        const [stored, kept] = [partition(true), partition(false)];
        for (const { value, newUser } of some) {
          stored.apply(countLogin("acme", login(value, newUser), stored.context));
        }
        for (const { value, newUser } of some.toReversed()) {
          kept.apply(countLogin("acme", login(value, newUser), kept.context));
        }
        expect(stored.bytes()).toEqual(kept.bytes());
      }),
      { numRuns: 30 },
    );
  });

  test("logins that go on from the same ones know nothing of each other", () => {
    const first = FreshLogins.none.plus(login(1));
    const [one, other] = [first.plus(login(2, true)), first.plus(login(3))];
    const again = one.plus(login(4));
    const valuesOf = (fresh: FreshLogins) => [fresh.newUsers, ...fresh.valuesOf(TRAIT_COUNT - 1)];
    expect([first, one, other, again].map(valuesOf)).toEqual([
      [0, 1],
      [1, 1, 2],
      [0, 1, 3],
      [1, 1, 2, 4],
    ]);
    expect(FreshLogins.none.plus(login(5)).valuesOf(0)).toEqual([5]);
    expect(codec.encode(first)).toEqual(codec.encode(FreshLogins.none.plus(login(1))));
  });

  test("is at most 12 KiB, whatever came, and fades", () => {
    let population = Population.none;
    for (let i = 0; i < WINDOW_MAX / FRESH_MAX; i++) {
      let fresh = FreshLogins.none;
      for (let j = 0; j < FRESH_MAX; j++) fresh = fresh.plus(login((i * FRESH_MAX + j) * 65_521));
      population = population.plus(fresh);
      if (i % 64 === 0) expect(codec.encode(population).length).toBeLessThan(12 * 1_024);
    }
    expect(population).toMatchObject({ logins: WINDOW_MAX / 2, loginsEver: WINDOW_MAX });
  });
});

describe("the detector's aggregates", () => {
  test("keep an erasure as it was", () => {
    const erased = { kind: "erased", untilMs: 1_767_607_200_000 };
    expect(codec.decode(codec.encode(erased), codec.version)).toEqual(erased);
  });

  test("read an erasure that an older version stored", () => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(1_767_607_200_000);
    expect(codec.decode(bytes, 1)).toEqual({ kind: "erased", untilMs: 1_767_607_200_000 });
  });
});
