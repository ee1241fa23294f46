import assert from "node:assert/strict";
import { userKey } from "@vigie/core/keys";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { RecommendedAction, RiskDecision, SessionAnomaly } from "@vigie/schemas/types";
import fc from "fast-check";
import { test } from "vitest";
import { REVOCATIONS_MIN } from "./guard.ts";
import {
  anomaly,
  decision,
  heartbeat,
  KEY,
  login,
  mfa,
  sessionsDriver,
  T0,
  TENANT,
} from "./testing.ts";

/** A user with a session since T0, unless told otherwise. */
function stage(sessions: readonly string[] = ["s-1"]) {
  const { driver, live: ids, ...rest } = sessionsDriver();
  for (const session_id of sessions) driver.pipe("id.login", KEY, login({ session_id }));
  const pipe = (topic: string, value: { tenant_id: string; user_id: string }) =>
    driver.pipe(topic, userKey(value.tenant_id, value.user_id), value as never);
  const live = (id = "s-1") => driver.state(KEY)?.live.find((session) => session.id === id);
  const later = (ms: number) => driver.advanceTo(T0 + ms);
  rest.published();
  rest.audits();
  return {
    ...rest,
    driver,
    ids,
    live,
    later,
    /** Risk and step-up of a session. */
    weight: (id?: string) => [live(id)?.riskScore, live(id)?.stepUpRequiredAtMs ?? null],
    find: (over: Partial<SessionAnomaly> = {}) => pipe("id.session.anomaly", anomaly(over)),
    rule: (over: Partial<RiskDecision> = {}) => pipe("id.risk.decision", decision(over)),
    factor: (ms: number) => pipe("id.mfa", mfa({ occurred_at: T0 + ms })),
    alarms: () => rest.audits().filter((audit) => audit.action === "policy.revocations_held"),
  };
}

test("ANO-12: STEP_UP asks for a second factor at once, and a later success of the session answers it", () => {
  const s = stage();
  s.later(2_000);
  s.find();
  assert.deepEqual(s.weight(), [95, T0 + SECOND_MS]);
  const [told] = s.published();
  assert.equal(told?.step_up_required_at, T0 + SECOND_MS);
  assert.equal(told?.risk_score, 95);
  s.factor(1_000);
  assert.deepEqual(s.weight(), [95, T0 + SECOND_MS]);
  s.factor(1_001);
  assert.deepEqual(s.weight(), [95, null]);
  assert.equal(s.published().at(-1)?.step_up_required_at, null);
});

test("a second factor that was shown after the cause answers a step-up that comes later", () => {
  const s = stage();
  s.later(2_000);
  s.factor(1_500);
  s.find();
  assert.deepEqual(s.weight(), [95, null]);
});

for (const action of ["REVOKE", "BLOCK"] as const) {
  test(`ANO-12: ${action} revokes the session, by the policy, with the anomaly's id`, () => {
    const s = stage(["s-1", "s-2"]);
    s.find({ action });
    const [revoked, ...more] = s.revoked();
    assert.deepEqual(more, []);
    assert.equal(revoked?.session_id, "s-1");
    assert.equal(revoked?.anomaly_id, "an-1");
    assert.equal(revoked?.reason, "policy:impossible_travel");
    assert.deepEqual(revoked?.actor, {
      type: "POLICY",
      id: "impossible_travel",
      impersonator_id: null,
    });
    assert.equal(s.audits().length, 1);
    s.find({ action });
    assert.deepEqual(s.revoked(), []);
  });
}

const blocked = {
  anomaly_id: "an-geo",
  kind: "geo_block",
  severity: "CRITICAL",
  risk_score: 90,
  action: "BLOCK",
  cause_event_ids: ["e-1"],
  evidence: { country: "KP" },
} as const;

for (const first of ["the login", "the anomaly"]) {
  test(`ANO-09, POL-07, POL-09: a session from a blocked country is revoked and stays so, with ${first} read first`, () => {
    const s = stage(first === "the login" ? ["s-1", "s-2"] : ["s-2"]);
    s.find(blocked);
    s.driver.pipe("id.login", KEY, login({ session_id: "s-1" }));
    s.driver.pipe("id.heartbeat", KEY, heartbeat({ session_id: "s-1", occurred_at: T0 + 1 }));
    assert.equal(s.live("s-1"), undefined);
    assert.deepEqual(s.weight("s-2"), [0, null]);
    assert.deepEqual(
      s.revoked().map((one) => [one.session_id, one.reason, one.actor.id, one.anomaly_id]),
      [["s-1", "policy:geo_block", "geo_block", "an-geo"]],
    );
    const ends = s.published().filter((record) => record?.status === "REVOKED");
    assert.deepEqual(
      ends.map((record) => [record?.session_id, record?.end_reason]),
      [["s-1", "policy:geo_block"]],
    );
    assert.deepEqual(
      s.audits().map(({ action, actor }) => [action, actor?.type, actor?.id]),
      [["session.revoked", "POLICY", "geo_block"]],
    );
  });
}

test("POL-07: a rule that only tells by itself revokes where the policy says so, and in the shadow does not", () => {
  for (const [mode, left] of [
    ["ENFORCE", ["s-1"]],
    ["SHADOW", ["s-1", "s-2"]],
  ] as const) {
    const s = stage([]);
    const policy = {
      max_concurrent_sessions: { count: 1, on_excess: "alarm" },
      rules: { concurrent_sessions: { mode, action: "REVOKE" } },
    };
    s.policy(policy);
    for (const session_id of ["s-1", "s-2"]) s.driver.pipe("id.login", KEY, login({ session_id }));
    for (const found of s.anomalies()) s.driver.pipe("id.session.anomaly", KEY, found);
    assert.deepEqual(s.ids(), left);
  }
});

test("what is not in force, names no session or is only to be logged does not act", () => {
  const s = stage();
  for (const over of [
    { mode: "SHADOW" },
    { mode: "UNKNOWN" },
    { session_id: null },
  ] as Partial<SessionAnomaly>[]) {
    s.find({ action: "REVOKE", anomaly_id: JSON.stringify(over), ...over });
  }
  assert.deepEqual([s.weight(), s.revoked()], [[0, null], []]);
  s.find({ action: "LOG_ONLY", risk_score: 40 });
  assert.deepEqual([s.weight(), s.revoked()], [[40, null], []]);
});

test("risk is the highest of the live anomalies; a retraction lowers it and revives nobody", () => {
  const s = stage(["s-1", "s-2"]);
  s.find({ anomaly_id: "low", action: "LOG_ONLY", risk_score: 30 });
  s.find({ anomaly_id: "high", risk_score: 80 });
  s.find({ anomaly_id: "end", session_id: "s-2", action: "REVOKE" });
  assert.deepEqual(s.weight(), [80, T0]);
  s.find({ anomaly_id: "r-1", retracts: "high" });
  assert.deepEqual(s.weight(), [30, T0]);
  s.find({ anomaly_id: "r-2", retracts: "end", session_id: "s-2" });
  assert.equal(s.live("s-2"), undefined);
  // What was withdrawn does not come back with a repetition.
  s.find({ anomaly_id: "high", risk_score: 80 });
  assert.deepEqual(s.weight(), [30, T0]);
  s.later(2_000);
  s.factor(1_001);
  assert.deepEqual(s.weight(), [30, null]);
});

test("a retraction is no anomaly to act on, whatever it names and whether or not what it withdraws is known", () => {
  for (const action of ["STEP_UP", "REVOKE", "BLOCK"] as const) {
    const s = stage();
    s.find({ anomaly_id: "r-1", retracts: "never-seen", action });
    s.find({ anomaly_id: "an-2", action: "LOG_ONLY", risk_score: 30 });
    s.find({ anomaly_id: "r-2", retracts: "an-2", action });
    assert.deepEqual([s.weight(), s.revoked()], [[0, null], []]);
  }
});

test("nothing in the shadow is acted on: not at once, not with its retraction, not for a session to come", () => {
  for (const action of ["STEP_UP", "REVOKE", "BLOCK"] as const) {
    const s = stage();
    for (const session_id of ["s-1", "s-2"]) {
      const shadow = { session_id, action, mode: "SHADOW" } as const;
      s.find({ anomaly_id: `an-${session_id}`, ...shadow });
      s.find({ anomaly_id: `r-${session_id}`, retracts: `an-${session_id}`, ...shadow });
    }
    s.driver.pipe("id.login", KEY, login({ session_id: "s-2" }));
    for (const id of ["s-1", "s-2"]) assert.deepEqual(s.weight(id), [0, null]);
    assert.deepEqual([s.revoked(), s.audits()], [[], []]);
  }
});

test("an anomaly may come before the login that it is about", () => {
  const s = stage([]);
  s.later(2_000);
  s.find();
  s.find({ anomaly_id: "an-2", session_id: "s-2", action: "REVOKE" });
  for (const session_id of ["s-1", "s-2"]) s.driver.pipe("id.login", KEY, login({ session_id }));
  assert.deepEqual(s.weight(), [95, T0 + SECOND_MS]);
  assert.deepEqual(
    s.revoked().map(({ session_id }) => session_id),
    ["s-2"],
  );
});

test("an anomaly whose session never appears is forgotten, and with it its user", () => {
  const s = stage([]);
  s.find();
  s.later(2 * DAY_MS);
  assert.equal(s.driver.state(KEY), null);
});

test("ANO-13: SIRA clears a step-up, asks for one, or revokes one session or all of the user", () => {
  const s = stage(["s-1", "s-2", "s-3"]);
  s.later(10_000);
  s.find();
  s.rule();
  assert.deepEqual(s.weight(), [95, null]);
  s.rule({ decision_id: "de-2", action: "STEP_UP", decided_at: T0 + 6_000 });
  assert.deepEqual(s.weight(), [95, T0 + 6_000]);
  s.rule({ decision_id: "de-3", action: "STEP_UP", session_id: null, decided_at: T0 + 7_000 });
  for (const id of ["s-1", "s-2", "s-3"]) assert.equal(s.weight(id)[1], T0 + 7_000);
  s.rule({ decision_id: "de-4", action: "REVOKE", session_id: "s-2", anomaly_id: "an-1" });
  const [revoked] = s.revoked();
  assert.deepEqual(
    [revoked?.session_id, revoked?.reason, revoked?.anomaly_id, revoked?.actor.type],
    ["s-2", "analyst", "an-1", "SYSTEM"],
  );
  s.rule({ decision_id: "de-5", action: "BLOCK", session_id: null });
  assert.equal(s.revoked().length, 2);
  assert.deepEqual(s.driver.state(KEY)?.live, []);
});

test("ANO-13: a decision counts once, and an anomaly that it answers acts no more, whichever comes first", () => {
  const first = stage();
  first.later(10_000);
  first.rule({ anomaly_id: "an-1" });
  first.find({ action: "REVOKE" });
  assert.deepEqual([first.weight(), first.revoked()], [[95, null], []]);
  const second = stage();
  second.later(10_000);
  second.find();
  second.rule({ anomaly_id: "an-1" });
  second.find({ anomaly_id: "an-2", occurred_at: T0 + 8_000 });
  second.rule({ anomaly_id: "an-1" });
  assert.deepEqual(second.weight(), [95, T0 + 8_000]);
});

/** So many users of a tenant, each with a session. */
function crowd(users: number) {
  const s = stage([]);
  for (let at = 0; at < users; at++) {
    const value = login({ user_id: `u-${at}`, session_id: `s-${at}` });
    s.driver.pipe("id.login", userKey(TENANT, value.user_id), value);
  }
  const strike = (at: number, over: Partial<SessionAnomaly> = {}) =>
    s.find({
      anomaly_id: `an-${at}`,
      user_id: `u-${at}`,
      session_id: `s-${at}`,
      action: "BLOCK",
      kind: "geo_block",
      ...over,
    });
  return { ...s, strike };
}

test("a policy that would sign everyone out asks for step-ups instead, and raises one alarm", () => {
  const s = crowd(1_500);
  for (let at = 0; at < 100; at++) s.strike(at);
  assert.equal(s.revoked().length, 15);
  const held = s.driver.state(userKey(TENANT, "u-99"))?.live[0];
  assert.equal(held?.stepUpRequiredAtMs, T0);
  const alarms = s.alarms();
  assert.equal(alarms.length, 1);
  assert.deepEqual(JSON.parse(alarms[0]?.payload ?? ""), {
    first_anomaly_id: "an-15",
    rule: "geo_block",
  });
  // People and SIRA mean what they say.
  s.rule({ user_id: "u-99", session_id: "s-99", action: "REVOKE" });
  assert.equal(s.revoked().length, 1);
});

test("a small tenant is still defended, and some minutes later more may be revoked; other tenants count apart", () => {
  const s = crowd(30);
  for (let at = 0; at < 15; at++) s.strike(at);
  assert.equal(s.revoked().length, REVOCATIONS_MIN);
  s.driver.pipe("id.login", userKey("other", "u"), login({ tenant_id: "other", user_id: "u" }));
  s.find({ tenant_id: "other", user_id: "u", action: "REVOKE", anomaly_id: "other" });
  assert.equal(s.revoked().length, 1);
  s.driver.restore();
  s.strike(15);
  assert.equal(s.revoked().length, 0);
  s.later(6 * MINUTE_MS);
  s.strike(16);
  assert.equal(s.revoked().length, 1);
  assert.equal(s.alarms().length, 1);
});

/** Anomalies that would revoke the sessions of so many users, then their logins. */
function ahead(users: number) {
  const s = stage([]);
  const of = (at: number) => ({ user_id: `u-${at}`, session_id: `s-${at}` });
  const strike = (at: number) =>
    s.find({ ...blocked, ...of(at), anomaly_id: `an-${at}`, occurred_at: T0 });
  const signIn = (at: number) =>
    s.driver.pipe("id.login", userKey(TENANT, `u-${at}`), login(of(at)));
  for (let at = 0; at < users; at++) strike(at);
  for (let at = 0; at < users; at++) signIn(at);
  return { ...s, strike, signIn };
}

test("the guard holds as well for sessions whose anomalies are read before their logins", () => {
  const s = ahead(30);
  assert.equal(s.revoked().length, REVOCATIONS_MIN);
  assert.equal(s.driver.state(userKey(TENANT, "u-29"))?.live[0]?.stepUpRequiredAtMs, T0);
  assert.equal(s.alarms().length, 1);
});

test("what counted with its anomaly does not count again with its login", () => {
  const s = ahead(5);
  assert.equal(s.revoked().length, 5);
  for (let at = 5; at < 20; at++) {
    s.signIn(at);
    s.strike(at);
  }
  assert.equal(s.revoked().length, REVOCATIONS_MIN - 5);
});

const actions: readonly RecommendedAction[] = ["LOG_ONLY", "STEP_UP", "REVOKE"];
const act = fc.record({
  what: fc.constantFrom("anomaly", "decision", "factor"),
  id: fc.integer({ min: 1, max: 3 }),
  action: fc.constantFrom(...actions),
  session: fc.constantFrom("s-1", "s-2"),
  answers: fc.option(fc.integer({ min: 1, max: 3 })),
});

test("property: repeated by whole, records change nothing; who is revoked stays so; no risk without an anomaly", () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 12 }), (acts) => {
      const s = stage(["s-1", "s-2"]);
      s.later(60_000);
      const ended = new Set<string>();
      const play = () => {
        for (const [at, { action, answers, id, session, what }] of acts.entries()) {
          const session_id = session;
          if (what === "factor") s.factor(1_000 * (at + 1));
          else if (what === "anomaly") {
            s.find({ anomaly_id: `an-${id}-${session}`, action, session_id, occurred_at: T0 + id });
          } else {
            const anomaly_id = answers === null ? null : `an-${answers}-${session}`;
            s.rule({ decision_id: `de-${id}`, action, session_id, anomaly_id });
          }
          for (const { session_id: gone } of s.revoked()) {
            assert.ok(!ended.has(gone), "a session is revoked once");
            ended.add(gone);
          }
        }
      };
      play();
      const before = [s.weight("s-1"), s.weight("s-2"), [...ended]];
      play();
      assert.deepEqual([s.weight("s-1"), s.weight("s-2"), [...ended]], before);
      for (const id of ended) assert.equal(s.live(id), undefined);
    }),
    { numRuns: 200 },
  );
});
