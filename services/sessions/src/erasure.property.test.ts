import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import fc from "fast-check";
import { test } from "vitest";
import { heartbeat, KEY, login, logout, sessionsDriver, T0 } from "./testing.ts";

const step = fc.record({
  kind: fc.constantFrom("login", "logout", "heartbeat", "known_heartbeat", "command", "erase"),
  session: fc.nat({ max: 4 }),
  pauseMs: fc.nat({ max: 10 * MINUTE_MS }),
  lateMs: fc.oneof(fc.constant(0), fc.nat({ max: HOUR_MS })),
});

test("PRV-14: whatever comes in whatever order, no session of before lives after its person was erased", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { at, ask, erase, driver } = sessionsDriver();
      /** The last word on each session's record. */
      const records = new Map<string, unknown>();
      let nowMs = T0 + HOUR_MS;
      let erasedUntilMs = 0;
      for (const { kind, session, pauseMs, lateMs } of steps) {
        nowMs += pauseMs;
        const event = { session_id: `s-${session}`, occurred_at: nowMs - lateMs };
        if (kind === "login") at(nowMs, "id.login", login(event));
        else if (kind === "logout") at(nowMs, "id.login", logout(event));
        else if (kind === "heartbeat") at(nowMs, "id.heartbeat", heartbeat(event));
        else if (kind === "known_heartbeat") {
          const session_started_at = nowMs - lateMs - MINUTE_MS;
          at(nowMs, "id.heartbeat", heartbeat({ ...event, session_started_at }));
        } else if (kind === "command") ask(nowMs, { requested_at: nowMs - lateMs });
        else {
          erase(nowMs, nowMs - lateMs);
          erasedUntilMs = Math.max(erasedUntilMs, nowMs - lateMs);
        }
        for (const output of ["began", "updated", "ended", "forgotten"] as const) {
          for (const { key, value } of driver.read(output)) records.set(key, value);
        }
        if (erasedUntilMs === 0) continue;
        const state = driver.state(KEY);
        for (const { startKnown, createdAtMs } of state?.live ?? []) {
          assert.ok(startKnown && createdAtMs > erasedUntilMs, "only what began later lives");
        }
        if (kind === "erase" && lateMs === 0) {
          assert.equal(state, null);
          assert.deepEqual([...records.values()].filter(Boolean), []);
        }
      }
    }),
    { numRuns: 300 },
  );
});
