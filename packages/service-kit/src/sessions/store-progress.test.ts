import assert from "node:assert/strict";
import { test } from "vitest";
import { GONE_BACK, StoreProgress } from "./store-progress.ts";

function open() {
  let nowMs = 1_000_000;
  const progress = new StoreProgress(() => nowMs);
  return { progress, pass: (ms: number) => (nowMs += ms) };
}

test("a store that goes on is as far as it says", () => {
  const { progress, pass } = open();
  for (const offset of [0, 4, 4, 9]) {
    assert.equal(progress.told(0, offset), offset);
    pass(1_000);
  }
});

test("one that goes back vouches for nobody until it is as far again; other partitions go on", () => {
  const { progress, pass } = open();
  progress.told(0, 9);
  progress.told(1, 3);
  assert.equal(progress.told(0, 8), GONE_BACK);
  assert.equal(progress.told(1, 3), 3);
  pass(5_000);
  assert.equal(progress.told(0, 8), GONE_BACK, "by now a look at the topic may still be older");
  assert.equal(progress.told(0, 9), 9);
});

test("what it told more than 5 s ago is the topic's to compare", () => {
  const { progress, pass } = open();
  progress.told(0, 9);
  pass(5_001);
  assert.equal(progress.told(0, 8), 8);
  assert.equal(progress.told(0, 7), GONE_BACK);
});
