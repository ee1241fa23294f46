import assert from "node:assert/strict";
import { silentLogger } from "@vigie/core/log";
import { test } from "vitest";
import { LocalRateLimiter } from "./rate-limit.ts";
import { type DebtBook, shareLimit } from "./shared-limit.ts";

/** Slow enough that a test's own time does not matter: one unit is a minute. */
const rate = { perMinute: 1, burst: 10 };

/** Two processes with one book. */
function pair(book: DebtBook, clock: () => number) {
  return [1, 2].map(() => {
    const limiter = new LocalRateLimiter({ clock });
    // Put together by hand only.
    const shared = shareLimit(limiter, book, { log: silentLogger, everyMs: 3_600_000 });
    return { limiter, shared };
  });
}

const takeAll = (limiter: LocalRateLimiter, key: string, tries: number): number =>
  Array.from({ length: tries }, () => limiter.take(key, 1, rate)).filter((wait) => wait === 0)
    .length;

/** What every book promises. */
export function debtBookSuite(
  name: string,
  open: () => Promise<{ book: DebtBook; clock: () => number }>,
) {
  test(`${name}: what one process took the other knows after sharing`, async () => {
    const { book, clock } = await open();
    const [one, two] = pair(book, clock);
    assert.ok(one && two);
    assert.equal(takeAll(one.limiter, "acme|app", 6), 6);
    await one.shared.share();
    // The second learns with its own next debt
    assert.equal(takeAll(two.limiter, "acme|app", 1), 1);
    await two.shared.share();
    assert.equal(takeAll(two.limiter, "acme|app", 10), 3);
    await Promise.all([one.shared.close(), two.shared.close()]);
  });

  test(`${name}: debts of one key are not those of another`, async () => {
    const { book, clock } = await open();
    const [one, two] = pair(book, clock);
    assert.ok(one && two);
    takeAll(one.limiter, "acme|x", 10);
    await one.shared.share();
    takeAll(two.limiter, "acme|y", 1);
    await two.shared.share();
    assert.equal(takeAll(two.limiter, "acme|y", 10), 9);
    await Promise.all([one.shared.close(), two.shared.close()]);
  });

  test(`${name}: debts told twice are not owed twice`, async () => {
    const { book, clock } = await open();
    const [one] = pair(book, clock);
    assert.ok(one);
    takeAll(one.limiter, "acme|z", 4);
    for (let times = 0; times < 3; times += 1) await one.shared.share();
    assert.equal(takeAll(one.limiter, "acme|z", 10), 6);
    await one.shared.close();
  });
}
