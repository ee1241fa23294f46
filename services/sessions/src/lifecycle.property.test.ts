import assert from "node:assert/strict";
import { DAY_MS, HOUR_MS } from "@vigie/core/time";
import fc from "fast-check";
import { test } from "vitest";
import { createStateCodec } from "./codec.ts";
import { decide } from "./decide/decide.ts";
import { type Change, evolve } from "./evolve.ts";
import type { Scope, SessionInput } from "./input.ts";
import { publicationsOf } from "./publish/states.ts";
import {
  BARRIERS_PER_USER_MAX,
  COMMANDS_PER_USER_MAX,
  ENDED_PER_USER_MAX,
  emptyState,
  LIVE_PER_USER_MAX,
  RECENT_EVENTS_MAX,
  TOMBSTONES_PER_USER_MAX,
  type UserState,
} from "./state.ts";
import { noContext, settingAt, T0, TENANT, USER } from "./testing.ts";
import { decideWake, withAlarm } from "./wake.ts";

/** One thing that happens: after a pause, an input that may be late, or only time. */
interface Step {
  readonly pauseMs: number;
  readonly input: ((nowMs: number) => SessionInput) | null;
}

const kinds = [
  "login_succeeded",
  "logged_out",
  "heartbeat_seen",
  "activity_seen",
  "password_changed",
  "commanded",
] as const;

const actor = {
  type: "USER",
  id: USER,
  impersonator_id: null,
  ip: null,
  user_agent: null,
} as const;

/** Of the sessions and devices of this test, numbered alike. */
function scopeOf(kind: Scope["kind"], n: number): Scope {
  if (kind === "session") return { kind, sessionId: `s-${n}` };
  if (kind === "device") return { kind, deviceId: `d-${n}` };
  return kind === "channel" ? { kind, channel: "MOBILE" } : { kind };
}

function stepOf(sessionIds: number): fc.Arbitrary<Step> {
  const input = fc.record({
    kind: fc.constantFrom(...kinds),
    session: fc.nat({ max: sessionIds - 1 }),
    lateMs: fc.oneof(fc.constant(0), fc.nat({ max: 40 * 60_000 }), fc.nat({ max: 29 * DAY_MS })),
    event: fc.bigInt({ min: 0n, max: 500n }),
    capMs: fc.option(fc.nat({ max: 40 * DAY_MS })),
    scope: fc.constantFrom<Scope["kind"]>("session", "user", "device", "channel"),
  });
  const pauseMs = fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 60_000 }) },
    { weight: 2, arbitrary: fc.nat({ max: HOUR_MS }) },
    { weight: 1, arbitrary: fc.nat({ max: 70 * DAY_MS }) },
  );
  return fc.record({
    pauseMs,
    input: fc.option(
      input.map(
        ({ kind, session, lateMs, event, capMs, scope }) =>
          (nowMs: number): SessionInput => {
            const atMs = nowMs - lateMs;
            const sessionId = `s-${session}`;
            const eventId = String(event);
            const keptSessionId = capMs === null ? null : `s-${session + 1}`;
            const context = { ...noContext, deviceId: `d-${session}` };
            switch (kind) {
              case "logged_out":
                return { kind, atMs, eventId, eventHash: event, sessionId };
              case "login_succeeded": {
                const absoluteCapMs = capMs === null ? null : atMs + capMs;
                return {
                  kind,
                  atMs,
                  eventId,
                  eventHash: event,
                  sessionId,
                  absoluteCapMs,
                  context,
                };
              }
              case "heartbeat_seen": {
                const startedAtMs = capMs === null ? null : Math.max(0, atMs - capMs);
                return { kind, atMs, eventId, sessionId, startedAtMs, context };
              }
              case "password_changed":
                return { kind, atMs, eventId, eventHash: event, keptSessionId };
              case "commanded": {
                const batchId = null;
                const times = { atMs, beganByMs: atMs };
                const words = { batchId, keptSessionId, reason: "user_request", actor };
                return { kind, ...times, eventId, scope: scopeOf(scope, session), ...words };
              }
              default:
                return { kind, atMs, eventId, sessionId, isSecondFactor: false, context };
            }
          },
      ),
      { freq: 8 },
    ),
  });
}

type Look = (after: UserState, changes: readonly Change[]) => void;
type Tamper = (state: UserState) => UserState;

/**
 * Runs the steps as the runtime would: wakes first, then the input. `look` sees every set of changes.
 * `tamper` plants a fault: what it returns is taken for the state.
 */
function run(steps: readonly Step[], look: Look, tamper: Tamper = (state) => state) {
  let state: UserState = emptyState;
  let nowMs = T0;
  const take = (changes: readonly Change[], atMs: number): void => {
    state = tamper(withAlarm(changes.reduce(evolve, state), settingAt(atMs)));
    look(state, changes);
  };
  for (const { pauseMs, input } of steps) {
    const untilMs = nowMs + pauseMs;
    while (state.wakeAtMs !== null && state.wakeAtMs <= untilMs) {
      nowMs = Math.max(nowMs, state.wakeAtMs);
      take(decideWake(state, settingAt(nowMs)), nowMs);
      assert.ok(state.wakeAtMs === null || state.wakeAtMs > nowMs, "a woken state comes to rest");
    }
    nowMs = untilMs;
    if (input === null) continue;
    const decision = decide(state, input(nowMs), settingAt(nowMs));
    if (decision.kind === "ok") take(decision.value, nowMs);
  }
}

const publishSetting = {
  tenantId: TENANT,
  userId: USER,
  policy: settingAt(0).policy.document,
  outages: settingAt(0).outages,
  clientOf: () => ({}),
};

/** Fails when a session lives after its end was decided. */
function endedStayEnded(steps: readonly Step[], tamper?: Tamper): void {
  const ended = new Set<string>();
  const look: Look = (state, changes) => {
    for (const change of changes) {
      if (change.type === "ended") ended.add(change.session.id);
      // An id that a producer uses again after 60 days means another session.
      if (change.type === "forgotten" && change.notBeforeMs === null)
        ended.delete(change.sessionId);
    }
    for (const { id } of state.live) assert.ok(!ended.has(id), `${id} came back`);
  };
  run(steps, look, tamper);
}

/** Fails when a published version does not grow, or a record contradicts itself. */
function versionsGrow(steps: readonly Step[], tamper?: Tamper): void {
  const versions = new Map<string, number>();
  const look: Look = (_state, changes) => {
    for (const { sessionId, record } of publicationsOf(changes, publishSetting)) {
      if (record === null) continue;
      assert.ok(record.version > (versions.get(sessionId) ?? 0), "versions grow");
      assert.ok(record.created_at <= record.last_seen_at, "seen after the start");
      assert.ok(record.idle_expires_at <= record.absolute_expires_at, "ends at the absolute end");
      assert.ok(record.ended_at === null || record.ended_at >= record.created_at, "no end before");
      assert.equal(record.status === "ACTIVE", record.ended_at === null);
      versions.set(sessionId, record.version);
    }
  };
  run(steps, look, tamper);
}

const history = fc.array(stepOf(4), { maxLength: 80, size: "max" });

test("an ended session never comes back, whatever the order of events", () => {
  fc.assert(
    fc.property(history, (steps) => endedStayEnded(steps)),
    { numRuns: 500 },
  );
});

test("versions of a session strictly grow, and its records are consistent", () => {
  fc.assert(
    fc.property(history, (steps) => versionsGrow(steps)),
    { numRuns: 500 },
  );
});

test("an alarm that is kept never rings later than a fresh one would", () => {
  fc.assert(
    fc.property(history, (steps) => {
      run(steps, (state) => {
        const fresh = withAlarm({ ...state, wakeAtMs: null }, settingAt(T0)).wakeAtMs;
        assert.equal(fresh === null, state.wakeAtMs === null);
        assert.ok((state.wakeAtMs ?? 0) <= (fresh ?? 0));
      });
    }),
    { numRuns: 500 },
  );
});

test("the properties find a state that forgets who ended, and one that forgets versions", () => {
  const amnesia: Tamper = (state) => ({ ...state, ended: [], tombstones: [] });
  const revived = fc.check(fc.property(history, (steps) => endedStayEnded(steps, amnesia)));
  assert.match(String(revived.errorInstance), /came back/);
  const rewind: Tamper = (state) => ({
    ...state,
    live: state.live.map((session) => ({ ...session, version: 1 })),
  });
  const instantly = fc.array(
    stepOf(2).map((step) => ({ ...step, pauseMs: 0 })),
    { maxLength: 80, size: "max" },
  );
  const rewound = fc.check(fc.property(instantly, (steps) => versionsGrow(steps, rewind)));
  assert.match(String(rewound.errorInstance), /versions grow/);
});

test("what is kept of a user is bounded, and comes through its bytes unchanged", () => {
  const codec = createStateCodec();
  fc.assert(
    fc.property(
      fc.array(stepOf(1_000), { minLength: 300, maxLength: 900, size: "max" }),
      (steps) => {
        let last = emptyState;
        run(steps, (state) => {
          last = state;
          assert.ok(state.live.length <= LIVE_PER_USER_MAX);
          assert.ok(state.ended.length <= ENDED_PER_USER_MAX);
          assert.ok(state.tombstones.length <= TOMBSTONES_PER_USER_MAX);
          assert.ok(state.recentEvents.length <= RECENT_EVENTS_MAX);
          assert.ok(state.barriers.length <= BARRIERS_PER_USER_MAX);
          assert.ok(state.commands.length <= COMMANDS_PER_USER_MAX);
        });
        assert.deepEqual(codec.decode(codec.encode(last), codec.version), last);
      },
    ),
    { numRuns: 20 },
  );
});

test("a user of whom nothing more is heard is forgotten whole", () => {
  fc.assert(
    fc.property(fc.array(stepOf(20), { maxLength: 60, size: "max" }), (steps) => {
      let last = emptyState;
      // Longer than an absolute timeout, the age of events and a barrier put together, in steps of wakes.
      const silence: Step = { pauseMs: 200 * DAY_MS, input: null };
      run([...steps, silence], (state) => {
        last = state;
      });
      assert.deepEqual({ ...last, recentEvents: [] }, emptyState);
    }),
    { numRuns: 200 },
  );
});
