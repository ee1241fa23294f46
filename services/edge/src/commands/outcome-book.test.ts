import assert from "node:assert/strict";
import { afterEach, expect, test, vi } from "vitest";
import { Once } from "./once.ts";
import { OutcomeBook } from "./outcome-book.ts";

afterEach(() => {
  vi.useRealTimers();
});

test("who waits is told, whether the outcome comes before or after", async () => {
  const book = new OutcomeBook<string>();
  book.deliver("c-1", "early");
  const waiting = [book.wait("c-1", 1_000), book.wait("c-2", 1_000), book.wait("c-2", 1_000)];
  book.deliver("c-2", "late");
  assert.deepEqual(await Promise.all(waiting), ["early", "late", "late"]);
});

test("who waits in vain is told so in time, and what comes later is still found", async () => {
  vi.useFakeTimers();
  const book = new OutcomeBook<string>();
  const waiting = book.wait("c-1", 2_000);
  await vi.advanceTimersByTimeAsync(2_000);
  assert.equal(await waiting, null);
  book.deliver("c-1", "late");
  assert.equal(book.find("c-1"), "late");
});

test("REV-05: the first outcome of a command is its outcome", async () => {
  const book = new OutcomeBook<number>();
  book.deliver("c-1", 1);
  book.deliver("c-1", 2);
  assert.equal(await book.wait("c-1", 0), 1);
});

test("outcomes make room for newer ones, the oldest first", () => {
  const book = new OutcomeBook<number>();
  for (let i = 0; i <= 10_000; i += 1) book.deliver(`c-${i}`, i);
  assert.deepEqual([book.find("c-0"), book.find("c-1"), book.find("c-10000")], [null, 1, 10_000]);
});

test("the work of a call is done once, however many ask at the same time or after", async () => {
  const once = new Once<number>();
  let runs = 0;
  const work = async () => {
    runs += 1;
    return runs;
  };
  const answers = await Promise.all(Array.from({ length: 50 }, () => once.run("k", work)));
  assert.deepEqual(new Set([...answers, await once.run("k", work)]), new Set([1]));
  assert.equal(await once.run("other", work), 2);
});

test("work that failed is done again", async () => {
  const once = new Once<string>();
  await expect(once.run("k", () => Promise.reject(new Error("away")))).rejects.toThrow("away");
  assert.equal(await once.run("k", async () => "done"), "done");
});
