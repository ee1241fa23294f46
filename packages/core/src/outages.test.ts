import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { partitionOf } from "./keys.ts";
import {
  heardUntilMs,
  mayBeUnheard,
  noOutages,
  noteTick,
  OUTAGE_MIN_MS,
  OUTAGE_SHIFT_MAX_MS,
  OUTAGES_MAX,
  outagesAt,
  silenceEndsAt,
  TICK_INTERVAL_MS,
  type Ticks,
  tickKeys,
} from "./outages.ts";
import { HOUR_MS, MINUTE_MS } from "./time.ts";

/** 2026-01-05 10:00 UTC. */
const T0 = Date.UTC(2026, 0, 5, 10);
const IDLE_MS = 30 * MINUTE_MS;
const ticked = (...times: readonly number[]): Ticks =>
  times.reduce<Ticks>((ticks, atMs) => noteTick(ticks, atMs), null);

test("without a tick ever nothing is known of outages", () => {
  assert.deepEqual(outagesAt(null, T0), noOutages);
  assert.equal(heardUntilMs(null, T0), T0);
});

test("ticks that follow each other are no outage, and one that is late is none either", () => {
  assert.deepEqual(outagesAt(ticked(T0, T0 + 5_000, T0 + 5_000 + OUTAGE_MIN_MS), T0), []);
  assert.deepEqual(ticked(T0, T0 - HOUR_MS), ticked(T0));
});

test("a gap between two ticks is an outage, and one under way is known before it ends", () => {
  const gone = ticked(T0);
  assert.deepEqual(outagesAt(gone, T0 + OUTAGE_MIN_MS), []);
  const under = [{ fromMs: T0, untilMs: T0 + HOUR_MS }];
  assert.deepEqual(outagesAt(gone, T0 + HOUR_MS), under);
  assert.deepEqual(noteTick(gone, T0 + HOUR_MS), { lastMs: T0 + HOUR_MS, outages: under });
});

test("an hour away moves an idle end by an hour, of which only what it overlaps counts", () => {
  const away = [{ fromMs: T0, untilMs: T0 + HOUR_MS }];
  const endOf = (seenMs: number) => silenceEndsAt(seenMs, IDLE_MS, away);
  assert.equal(endOf(T0 - 10 * MINUTE_MS), T0 + 20 * MINUTE_MS + HOUR_MS);
  // Over before it began.
  assert.equal(endOf(T0 - IDLE_MS), T0);
  // Seen in the middle of it, by an edge that another broker's clock thought gone.
  assert.equal(endOf(T0 + 40 * MINUTE_MS), T0 + 70 * MINUTE_MS + 20 * MINUTE_MS);
  assert.equal(endOf(T0 + HOUR_MS), T0 + HOUR_MS + IDLE_MS);
});

test("several outages add up to two hours at most", () => {
  const away = [
    { fromMs: T0, untilMs: T0 + HOUR_MS },
    { fromMs: T0 + HOUR_MS + MINUTE_MS, untilMs: T0 + 3 * HOUR_MS },
  ];
  assert.equal(silenceEndsAt(T0 - MINUTE_MS, IDLE_MS, away), T0 + 29 * MINUTE_MS + 2 * HOUR_MS);
});

test("a silence that ends after the last tick may be an outage, until it is known to be one", () => {
  const ticks = ticked(T0);
  assert.equal(heardUntilMs(ticks, T0 - 3_000), T0 - 3_000);
  const heardMs = heardUntilMs(ticks, T0 + 3_000);
  assert.equal(heardMs, T0);
  assert.equal(mayBeUnheard(T0, heardMs, T0 + 3_000), false);
  assert.equal(mayBeUnheard(T0 + 1, heardMs, T0 + 3_000), true);
  assert.equal(mayBeUnheard(T0 + 1, heardMs, T0 + OUTAGE_MIN_MS + 1), false);
});

test("every partition has a key that lies there", () => {
  for (const partitions of [1, 6, 50]) {
    const placed = tickKeys(partitions).map((key) => partitionOf(key, partitions));
    assert.deepEqual(placed, [...Array(partitions).keys()]);
  }
});

/** Ticks with some left out; gaps of any length. */
const gaps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(TICK_INTERVAL_MS) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 4 * HOUR_MS }) },
  ),
  { maxLength: 60 },
);

test("property: an end never moves forward in time, nor by more than two hours; outages stay in order and bounded", () => {
  fc.assert(
    fc.property(gaps, fc.nat(6 * HOUR_MS), fc.nat(HOUR_MS), (steps, sinceOffset, timeoutMs) => {
      const sinceMs = T0 + sinceOffset;
      let ticks: Ticks = noteTick(null, T0);
      let nowMs = T0;
      let before = Number.NEGATIVE_INFINITY;
      for (const step of steps) {
        nowMs += step;
        const known = outagesAt(ticks, nowMs);
        ticks = noteTick(ticks, nowMs);
        // What was known while it was under way is what is on record of it.
        assert.deepEqual(outagesAt(ticks, nowMs), known);
        assert.ok(known.length <= OUTAGES_MAX);
        for (const [at, { fromMs, untilMs }] of known.entries()) {
          assert.ok(untilMs - fromMs > OUTAGE_MIN_MS);
          assert.ok(at === 0 || (known[at - 1]?.untilMs ?? 0) <= fromMs);
        }
        const endMs = silenceEndsAt(sinceMs, timeoutMs, known);
        assert.ok(
          endMs >= sinceMs + timeoutMs && endMs <= sinceMs + timeoutMs + OUTAGE_SHIFT_MAX_MS,
        );
        if (known.length < OUTAGES_MAX) {
          assert.ok(endMs >= before);
          before = endMs;
        }
      }
    }),
  );
});
