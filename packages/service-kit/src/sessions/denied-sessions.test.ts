import assert from "node:assert/strict";
import fc from "fast-check";
import { test } from "vitest";
import { DeniedSessions } from "./denied-sessions.ts";

const NOW_MS = 1_767_225_600_000;
const MINUTE_MS = 60_000;

test("a denied session is known until it may be forgotten", () => {
  let nowMs = NOW_MS;
  const denied = new DeniedSessions(() => nowMs);
  denied.add("acme|u-1|s-1", { deniedAtMs: NOW_MS - 7, expiresAtMs: NOW_MS + MINUTE_MS });
  assert.equal(denied.deniedAtMs("acme|u-1|s-1"), NOW_MS - 7);
  assert.equal(denied.deniedAtMs("acme|u-1|s-2"), null);
  nowMs += MINUTE_MS;
  assert.equal(denied.deniedAtMs("acme|u-1|s-1"), null);
});

test("of two denials of a session the earlier counts, and the longer expiry", () => {
  let nowMs = NOW_MS;
  const denied = new DeniedSessions(() => nowMs);
  denied.add("s", { deniedAtMs: 20, expiresAtMs: NOW_MS + 2 * MINUTE_MS });
  denied.add("s", { deniedAtMs: 10, expiresAtMs: NOW_MS + MINUTE_MS });
  nowMs += MINUTE_MS;
  assert.equal(denied.deniedAtMs("s"), 10);
  assert.equal(denied.size, 1);
});

test("what has run out makes room: memory follows what still counts", () => {
  let nowMs = NOW_MS;
  const denied = new DeniedSessions(() => nowMs);
  for (let n = 0; n < 100_000; n += 1) {
    denied.add(`acme|u-${n}|s`, { deniedAtMs: nowMs, expiresAtMs: nowMs + 1_000 });
    nowMs += 1;
  }
  assert.ok(denied.bytes < 200_000, `${denied.bytes} bytes for 1,000 at a time`);
});

test("250,000 revocations take 11 MB, and none is lost", () => {
  const denied = new DeniedSessions(() => NOW_MS);
  const nameOf = (n: number) => `acme|u-${n}|s-${n}`;
  for (let n = 0; n < 250_000; n += 1) {
    denied.add(nameOf(n), { deniedAtMs: n, expiresAtMs: NOW_MS + MINUTE_MS });
  }
  assert.ok(denied.bytes <= 11_000_000, `${denied.bytes} bytes`);
  for (let n = 0; n < 250_000; n += 97) assert.equal(denied.deniedAtMs(nameOf(n)), n);
});

test("it answers as a map of names would", () => {
  const step = fc.record({
    name: fc.nat({ max: 3_000 }).map((n) => `s-${n}`),
    deniedAtMs: fc.nat({ max: 1_000 }),
    lifeMs: fc.integer({ min: -5_000, max: 60_000 }),
    waitMs: fc.constantFrom(0, 0, 0, 1_000),
  });
  const steps = fc.array(step, { minLength: 1_500, maxLength: 4_000, size: "max" });
  fc.assert(
    fc.property(steps, (taken) => {
      let nowMs = NOW_MS;
      const denied = new DeniedSessions(() => nowMs);
      const plain = new Map<string, { deniedAtMs: number; expiresAtMs: number }>();
      for (const { name, deniedAtMs, lifeMs, waitMs } of taken) {
        nowMs += waitMs;
        const expiresAtMs = nowMs + lifeMs;
        denied.add(name, { deniedAtMs, expiresAtMs });
        const held = plain.get(name);
        if (expiresAtMs <= nowMs) continue;
        plain.set(name, {
          deniedAtMs: Math.min(deniedAtMs, held?.deniedAtMs ?? deniedAtMs),
          expiresAtMs: Math.max(expiresAtMs, held?.expiresAtMs ?? 0),
        });
      }
      for (const [name, { expiresAtMs }] of plain) {
        const found = denied.deniedAtMs(name);
        // Expiry is kept in whole seconds, rounded up.
        if (expiresAtMs > nowMs) assert.notEqual(found, null);
        else if (expiresAtMs <= nowMs - 1_000) assert.equal(found, null);
      }
      assert.equal(denied.deniedAtMs("another"), null);
    }),
    { numRuns: 20 },
  );
});
