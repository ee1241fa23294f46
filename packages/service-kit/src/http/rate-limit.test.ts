import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, test } from "vitest";
import { LocalRateLimiter } from "./rate-limit.ts";

function limiterAt(startMs: number) {
  let nowMs = startMs;
  const limiter = new LocalRateLimiter({ clock: () => nowMs });
  return { limiter, pass: (ms: number) => (nowMs += ms) };
}

const rate = { perMinute: 60, burst: 10 };

describe("a rate of 60 a minute with a burst of 10", () => {
  test("ten pass at once, the eleventh waits a second", () => {
    const { limiter, pass } = limiterAt(0);
    for (let index = 0; index < 10; index += 1) assert.equal(limiter.take("k", 1, rate), 0);
    assert.equal(limiter.take("k", 1, rate), 1_000);
    pass(999);
    assert.equal(limiter.take("k", 1, rate), 1);
    pass(1);
    assert.equal(limiter.take("k", 1, rate), 0);
  });

  test("a refused take costs nothing", () => {
    const { limiter, pass } = limiterAt(0);
    limiter.take("k", 10, rate);
    for (let index = 0; index < 50; index += 1) limiter.take("k", 5, rate);
    pass(5_000);
    assert.equal(limiter.take("k", 5, rate), 0);
  });

  test("more than a burst at once passes after quiet, and is paid off", () => {
    const { limiter, pass } = limiterAt(0);
    assert.equal(limiter.take("k", 30, rate), 0);
    pass(20_000);
    assert.equal(limiter.take("k", 1, rate), 1_000);
    pass(1_000);
    assert.equal(limiter.take("k", 1, rate), 0);
  });

  test("keys do not share", () => {
    const { limiter } = limiterAt(0);
    limiter.take("a", 10, rate);
    assert.equal(limiter.take("b", 10, rate), 0);
  });
});

test("never more than burst and rate allow, whatever the steps", () => {
  const step = fc.record({ waitMs: fc.nat(5_000), count: fc.integer({ min: 1, max: 10 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { limiter, pass } = limiterAt(1_767_607_200_000);
      let elapsedMs = 0;
      let taken = 0;
      for (const { waitMs, count } of steps) {
        pass(waitMs);
        elapsedMs += waitMs;
        if (limiter.take("k", count, rate) === 0) taken += count;
        assert.ok(taken <= rate.burst + elapsedMs / 1_000 + 1e-6, `${taken} in ${elapsedMs} ms`);
      }
    }),
  );
});

test("what it says to wait is enough", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1 }), (counts) => {
      const { limiter, pass } = limiterAt(0);
      for (const count of counts) {
        const waitMs = limiter.take("k", count, rate);
        if (waitMs === 0) continue;
        pass(waitMs);
        assert.equal(limiter.take("k", count, rate), 0);
      }
    }),
  );
});

test("the keys held are bounded", () => {
  const limiter = new LocalRateLimiter({ clock: () => 0, keysMax: 2 });
  for (const key of ["a", "b", "c"]) limiter.take(key, 10, rate);
  // Then the oldest is forgotten, the newer ones are not
  assert.equal(limiter.take("c", 1, rate), 1_000);
  assert.equal(limiter.take("a", 1, rate), 0);
});
