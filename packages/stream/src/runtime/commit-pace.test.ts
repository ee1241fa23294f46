import assert from "node:assert/strict";
import { test } from "vitest";
import { CommitPace } from "./commit-pace.ts";

test("after quiet a commit may begin at once", () => {
  const pace = new CommitPace(50);
  assert.ok(pace.notBeforeMs(0) < 0);
  pace.started(1_000, 1);
  pace.started(2_000, 1);
  assert.ok(pace.notBeforeMs(2_000) <= 2_001);
});

test("under load records are gathered, for the interval at most", () => {
  const pace = new CommitPace(50);
  let nowMs = 0;
  for (let commit = 0; commit < 50; commit++) {
    nowMs = Math.max(nowMs + 5, pace.notBeforeMs(nowMs));
    pace.started(nowMs, 500);
  }
  assert.equal(pace.notBeforeMs(nowMs), nowMs + 50);
});

test("at 100 records a second they are gathered for about 10 ms", () => {
  const pace = new CommitPace(50);
  for (let nowMs = 0; nowMs < 2_000; nowMs += 10) pace.started(nowMs, 1);
  const gatheredMs = pace.notBeforeMs(1_990) - 1_990;
  assert.ok(gatheredMs > 5 && gatheredMs < 15, `${gatheredMs} ms`);
});

test("with a pause, commits are at least that far apart, the first one at once", () => {
  const pace = new CommitPace(50, 250);
  assert.ok(pace.notBeforeMs(0) < 0);
  pace.started(1_000, 1);
  assert.equal(pace.notBeforeMs(1_000), 1_250);
});

test("a clock that is set back is not waited for", () => {
  const pace = new CommitPace(50, 250);
  pace.started(3_600_000, 1);
  assert.equal(pace.notBeforeMs(1_000), 1_250);
  assert.equal(pace.notBeforeMs(1_100), 1_250);
});

test("where a commit takes long, a pause is twenty times as long, 2 s at most; without a pause it is nobody's", () => {
  const untilNext = (pauseMs: number, tookMs: number): number => {
    const pace = new CommitPace(50, pauseMs);
    pace.started(1_000, 1);
    pace.ended(1_000 + tookMs);
    return pace.notBeforeMs(1_000 + tookMs) - 1_000;
  };
  assert.equal(untilNext(250, 5), 250);
  assert.equal(untilNext(250, 40), 800);
  assert.equal(untilNext(250, 9_000), 2_000);
  assert.ok(untilNext(0, 40) <= 50);
});
