import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { NameHash } from "./name-hash.ts";

test("a name has one hash, below 2^31, however long it is and whatever it is made of", () => {
  const hash = new NameHash();
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300, size: "max" }), (name) => {
      const value = hash.of(name);
      assert.equal(value, hash.of(name));
      assert.ok(Number.isInteger(value) && value >= 0 && value < 2 ** 31);
    }),
  );
});

test("it is the sum of its products modulo the prime, exactly, at large characters", () => {
  // Given the factors, as hashes of names that differ at one place by one
  const hash = new NameHash();
  const prime = 2n ** 31n - 1n;
  const names = Array.from({ length: 200 }, (_, at) => "\0".repeat(at));
  const sums = [...names, "\0".repeat(200)].map((name) => BigInt(hash.of(name)));
  const factors = names.map((_, at) => ((sums[at + 1] ?? 0n) - (sums[at] ?? 0n) + prime) % prime);
  // When a long name is hashed whose products end in no zeros
  const value = hash.of("\ufffe".repeat(200));
  // Then it is what integers without a limit give
  const exact = factors.reduce((sum, factor) => (sum + factor * 65_535n) % prime, 0n);
  assert.equal(BigInt(value), exact);
});

test("two names that meet in one function meet in no other but by chance", () => {
  // Given names that differ little: a beginning, an exchange, a zero more
  const pairs = [
    ["acme|u-1", "acme|u-10"],
    ["acme|u-12", "acme|u-21"],
    ["acme|u", "acme|u\0"],
  ] as const;
  const met = Array.from({ length: 1_000 }, () => new NameHash()).filter((hash) =>
    pairs.some(([one, other]) => hash.of(one) === hash.of(other)),
  );
  assert.ok(met.length <= 1, `${met.length} of 1,000 functions`);
});
