import assert from "node:assert/strict";
import { test } from "vitest";
import { LocalRateLimiter } from "./rate-limit.ts";
import { debtBookSuite } from "./shared-limit.suite.ts";
import { type DebtBook, shareLimit } from "./shared-limit.ts";

/** The book in memory. */
function memoryBook(clock: () => number): DebtBook {
  const paidMs = new Map<string, number>();
  return {
    add: async (debts) =>
      debts.map(([key, addMs]) => {
        const paid = Math.max(paidMs.get(key) ?? 0, clock()) + addMs;
        paidMs.set(key, paid);
        return paid - clock();
      }),
  };
}

debtBookSuite("memory", async () => ({ book: memoryBook(() => 0), clock: () => 0 }));

test("while the book is away limits go on locally, and it is said once", async () => {
  // Given a book that is away
  const said: string[] = [];
  const say = (_fields: object, event: string) => said.push(event);
  const log = { debug: say, info: say, warn: say, error: say, fatal: say };
  let away = true;
  const book: DebtBook = {
    add: async (debts) => {
      if (away) throw new Error("away");
      return debts.map(() => 0);
    },
  };
  const limiter = new LocalRateLimiter({ clock: () => 0 });
  const shared = shareLimit(limiter, book, { log, everyMs: 3_600_000 });
  const rate = { perMinute: 1, burst: 2 };
  // When requests come
  assert.equal(limiter.take("k", 1, rate), 0);
  await shared.share();
  assert.equal(limiter.take("k", 1, rate), 0);
  await shared.share();
  // Then the local limit holds
  assert.ok(limiter.take("k", 1, rate) > 0);
  away = false;
  await shared.share();
  assert.deepEqual(said, ["shared_limits_away", "shared_limits_back"]);
  await shared.close();
});
