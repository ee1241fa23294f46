import assert from "node:assert/strict";
import { test } from "vitest";
import { boundedLabels, slidingRate } from "./told.ts";

test("OBS-02: the heartbeat rate is that of the last minute", () => {
  let nowMs = 1_000_000;
  const rate = slidingRate(60, () => nowMs);
  rate.add(120);
  assert.equal(rate.perSecond(), 2);
  nowMs += 30_000;
  rate.add(60);
  assert.equal(rate.perSecond(), 3);
  nowMs += 30_000;
  assert.equal(rate.perSecond(), 1);
  nowMs += 60_000;
  assert.equal(rate.perSecond(), 0);
});

test("names that come from outside cannot make more metrics than fit", () => {
  const label = boundedLabels(2);
  assert.deepEqual(["pay", "eats", "x-1", "pay"].map(label), ["pay", "eats", "other", "pay"]);
});
