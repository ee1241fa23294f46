import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import fc from "fast-check";
import { describe, test } from "vitest";
import { heartbeat, KEY, login, logout, sessionsDriver, T0 } from "./testing.ts";

type Sessions = ReturnType<typeof sessionsDriver>;

const withPolicy = (document: object): Sessions => {
  const sessions = sessionsDriver();
  sessions.policy(document);
  return sessions;
};

const signIn = ({ at }: Sessions, ms: number, over: Parameters<typeof login>[0] = {}): void =>
  at(ms, "id.login", login({ session_id: `s-${ms - T0}`, ...over }));

describe("POL-10, CNF-14: with a maximum of 5", () => {
  test("the sixth login revokes the oldest session in the same step", () => {
    const sessions = sessionsDriver();
    for (let n = 0; n < 6; n += 1) signIn(sessions, T0 + n);
    assert.deepEqual(sessions.live(), ["s-1", "s-2", "s-3", "s-4", "s-5"]);
    const [revocation, ...more] = sessions.revoked();
    assert.deepEqual(more, []);
    assert.equal(revocation?.session_id, "s-0");
    assert.equal(revocation?.reason, "session_limit");
    assert.equal(revocation?.actor.type, "POLICY");
    assert.equal(sessions.audits()[0]?.action, "session.revoked");
  });

  test("the youngest stay, so a login that comes late is the one that is revoked", () => {
    const sessions = sessionsDriver();
    for (let n = 1; n < 6; n += 1) signIn(sessions, T0 + n * SECOND_MS);
    signIn(sessions, T0 + 10 * SECOND_MS, { session_id: "late", occurred_at: T0 - 1 });
    assert.equal(sessions.revoked()[0]?.session_id, "late");
    assert.equal(sessions.live().length, 5);
  });

  test("a session that has run out makes room, and is expired rather than revoked", () => {
    const sessions = sessionsDriver();
    signIn(sessions, T0);
    for (let n = 1; n < 5; n += 1) signIn(sessions, T0 + 20 * MINUTE_MS + n);
    // The task was behind: the sixth is read before the wake-up of the first.
    const sixth = login({ session_id: "sixth", occurred_at: T0 + 31 * MINUTE_MS });
    sessions.driver.pipe("id.login", KEY, sixth, { timestampMs: T0 + 31 * MINUTE_MS });
    assert.deepEqual(sessions.revoked(), []);
    const ended = sessions.published().filter((record) => record?.status !== "ACTIVE");
    assert.deepEqual(
      ended.map((record) => [record?.session_id, record?.status, record?.ended_at]),
      [["s-0", "IDLE_EXPIRED", T0 + 30 * MINUTE_MS]],
    );
  });

  test("an adopted session counts, too", () => {
    const sessions = sessionsDriver();
    for (let n = 0; n < 6; n += 1) {
      const id = `s-${n}`;
      sessions.at(T0 + n, "id.heartbeat", heartbeat({ session_id: id }));
    }
    assert.equal(sessions.revoked()[0]?.session_id, "s-0");
  });

  test("a policy that becomes stricter holds from the next event on", () => {
    const sessions = sessionsDriver();
    for (let n = 0; n < 5; n += 1) signIn(sessions, T0 + n);
    sessions.policy({ max_concurrent_sessions: { count: 2 } }, 2);
    sessions.at(T0 + SECOND_MS, "id.heartbeat", heartbeat({ session_id: "s-4" }));
    assert.deepEqual(sessions.live(), ["s-3", "s-4"]);
  });
});

test("a channel may have a limit of its own, and a role a stricter one", () => {
  const ofChannel = withPolicy({ max_concurrent_sessions: { per_channel: { WEB: 1 } } });
  signIn(ofChannel, T0, { channel: "WEB" });
  signIn(ofChannel, T0 + 1, { channel: "MOBILE" });
  signIn(ofChannel, T0 + 2, { channel: "WEB" });
  assert.deepEqual(ofChannel.live(), ["s-1", "s-2"]);
  const ofRole = withPolicy({ roles: { admin: { max_concurrent_sessions: { count: 1 } } } });
  signIn(ofRole, T0, { roles: ["support"] });
  signIn(ofRole, T0 + 1, { roles: ["support"] });
  assert.equal(ofRole.live().length, 2);
  signIn(ofRole, T0 + 2, { roles: ["admin"] });
  assert.deepEqual(ofRole.live(), ["s-2"]);
});

test("0 is no limit", () => {
  const sessions = withPolicy({ max_concurrent_sessions: { count: 0 } });
  for (let n = 0; n < 20; n += 1) signIn(sessions, T0 + n);
  assert.equal(sessions.live().length, 20);
  assert.deepEqual(sessions.anomalies(), []);
});

describe("ANO-14: concurrent_sessions", () => {
  const alarm = { max_concurrent_sessions: { count: 2, on_excess: "alarm" } };

  test("with alarm nothing is revoked, and an excess is told of once", () => {
    const sessions = withPolicy(alarm);
    for (let n = 0; n < 5; n += 1) signIn(sessions, T0 + n);
    assert.equal(sessions.live().length, 5);
    const [anomaly, ...more] = sessions.anomalies();
    assert.deepEqual(more, []);
    assert.match(anomaly?.anomaly_id ?? "", /^[0-9a-f-]{36}$/);
    assert.deepEqual(
      { ...anomaly, anomaly_id: "", cause_event_ids: [] },
      {
        anomaly_id: "",
        tenant_id: "acme",
        user_id: "u-1",
        session_id: "s-2",
        kind: "concurrent_sessions",
        severity: "MEDIUM",
        risk_score: 45,
        action: "LOG_ONLY",
        mode: "ENFORCE",
        occurred_at: T0 + 2,
        detected_at: T0 + 2,
        rule_version: "1",
        policy_version: 1,
        cause_event_ids: [],
        evidence: { sessions: "3", limit: "2", of: "ALL", on_excess: "alarm" },
        explanation:
          "3 sessions of the user lived at once; with at most 2 it would not have fired.",
        retracts: null,
      },
    );
  });

  test("is told of again once the excess was over, or after an hour of more logins", () => {
    const sessions = withPolicy(alarm);
    for (let n = 0; n < 3; n += 1) signIn(sessions, T0 + n);
    sessions.at(T0 + 10, "id.login", logout({ session_id: "s-0" }));
    signIn(sessions, T0 + 11);
    assert.equal(sessions.anomalies().length, 2);
    for (let ms = T0 + 11; ms < T0 + HOUR_MS; ms += 20 * MINUTE_MS) {
      for (const id of sessions.live())
        sessions.at(ms, "id.heartbeat", heartbeat({ session_id: id }));
    }
    sessions.at(T0 + HOUR_MS + 11, "id.heartbeat", heartbeat({ session_id: "s-1" }));
    assert.deepEqual(sessions.anomalies(), []);
    signIn(sessions, T0 + HOUR_MS + 12);
    assert.equal(sessions.anomalies().length, 1);
  });

  test("with revoke_oldest it is told of at most once an hour", () => {
    const sessions = sessionsDriver();
    for (let n = 0; n < 50; n += 1) signIn(sessions, T0 + n);
    assert.equal(sessions.anomalies()[0]?.evidence.on_excess, "revoke_oldest");
    signIn(sessions, T0 + HOUR_MS + 5);
    assert.equal(sessions.anomalies().length, 0, "the sessions of an hour ago have run out");
    for (let n = 0; n < 5; n += 1) signIn(sessions, T0 + HOUR_MS + 10 + n);
    assert.equal(sessions.anomalies().length, 1);
  });

  test("follows its switches", () => {
    const off = withPolicy({ ...alarm, rules: { concurrent_sessions: { mode: "OFF" } } });
    const shadow = withPolicy({
      ...alarm,
      rules: { concurrent_sessions: { mode: "SHADOW", action: "STEP_UP", risk_score: 60 } },
    });
    for (let n = 0; n < 3; n += 1) {
      signIn(off, T0 + n);
      signIn(shadow, T0 + n);
    }
    assert.deepEqual(off.anomalies(), []);
    const [anomaly] = shadow.anomalies();
    assert.deepEqual(
      [anomaly?.mode, anomaly?.action, anomaly?.risk_score],
      ["SHADOW", "STEP_UP", 60],
    );
  });
});

/** What a reader of the compacted topic believes to be active. */
function activeOn(topic: Map<string, SessionState>): number {
  return [...topic.values()].filter(({ status }) => status === "ACTIVE").length;
}

type Act = { readonly kind: "login" | "heartbeat" | "command"; readonly n: number };

/** Fails when a reader of the topic ever sees more than 5 active sessions. */
function neverMoreThan(max: number, acts: readonly Act[], sessions: Sessions): void {
  const topic = new Map<string, SessionState>();
  acts.forEach(({ kind, n }, i) => {
    const ms = T0 + i * 5;
    const session_id = `p-${n}`;
    if (kind === "login") sessions.at(ms, "id.login", login({ session_id, occurred_at: T0 + n }));
    if (kind === "heartbeat") sessions.at(ms, "id.heartbeat", heartbeat({ session_id }));
    if (kind === "command") {
      sessions.ask(ms, { kind: "REVOKE_SESSION", session_id, requested_at: ms });
    }
    for (const record of sessions.published()) {
      assert.ok(record !== null);
      topic.set(record.session_id, record);
      assert.ok(activeOn(topic) <= max, `${activeOn(topic)} are active in step ${i}`);
    }
  });
}

const acts = fc
  .tuple(
    fc.shuffledSubarray([...Array(200).keys()], { minLength: 200 }),
    fc.array(
      fc.record({
        at: fc.nat({ max: 200 }),
        kind: fc.constantFrom<Act["kind"]>("heartbeat", "command"),
        n: fc.nat({ max: 220 }),
      }),
      { maxLength: 60, size: "max" },
    ),
  )
  .map(([logins, others]) => {
    const all: Act[] = logins.map((n) => ({ kind: "login", n }));
    for (const { at, kind, n } of others) all.splice(at, 0, { kind, n });
    return all;
  });

const numRuns = process.env.VIGIE_TEST_FULL === "1" ? 100 : 10;
/** A run of 200 logins takes 100 ms where the cores are busy. */
const TIMEOUT_MS = 120_000;

test(
  "POL-10: of 200 parallel logins among heartbeats and commands, never more than 5 are active",
  { timeout: TIMEOUT_MS },
  () =>
    fc.assert(
      fc.property(acts, (steps) => neverMoreThan(5, steps, sessionsDriver())),
      { numRuns },
    ),
);

test("the property finds a policy that lets a sixth live", () => {
  const six = fc.property(acts, (steps) =>
    neverMoreThan(5, steps, withPolicy({ max_concurrent_sessions: { count: 6 } })),
  );
  assert.match(String(fc.check(six, { numRuns: 1 }).errorInstance), /6 are active/);
});
