import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { describe, test } from "vitest";
import {
  anomaly,
  command,
  decision,
  erasure,
  heartbeat,
  KEY,
  login,
  sessionsDriver,
  sessionsProcessorOf,
  T0,
} from "./testing.ts";

/** What comes ahead of a backlog: none of it is about the sessions of this test. */
const urgent = {
  "id.session.command": command({ kind: "REVOKE_SESSION", session_id: "other" }),
  "id.session.anomaly": anomaly({ session_id: "other" }),
  "id.risk.decision": decision({ session_id: "other" }),
  "id.subject.erasure": erasure({ requested_at: T0 - 1 }),
};

const LATER = T0 + 31 * MINUTE_MS;

/** Two sessions of T0 where one may live and nobody ends the other. */
function tooMany() {
  const sessions = sessionsDriver();
  const alarm = { max_concurrent_sessions: { count: 1, on_excess: "alarm" } };
  sessions.policy(alarm);
  for (const session_id of ["s-1", "s-2"]) sessions.at(T0, "id.login", login({ session_id }));
  sessions.published();
  return sessions;
}

test("every urgent input that is no tick is tried below", () => {
  const { inputs } = sessionsProcessorOf();
  const topics = inputs.filter(({ order }) => order === "urgent").map(({ topic }) => topic);
  assert.deepEqual(topics.sort(), [...Object.keys(urgent), "id.session.tick"].sort());
});

describe("HBT-02: a backlog of heartbeats ends no session", () => {
  for (const [topic, value] of Object.entries(urgent)) {
    test(`though ${topic} is read before it`, () => {
      const sessions = tooMany();
      sessions.driver.pipe(topic, KEY, value, { timestampMs: LATER });
      assert.deepEqual(sessions.live(), ["s-1", "s-2"]);
      const seen = T0 + 29 * MINUTE_MS;
      for (const session_id of ["s-1", "s-2"]) {
        const event = heartbeat({ session_id, occurred_at: seen });
        sessions.driver.pipe("id.heartbeat", KEY, event, { timestampMs: seen });
      }
      sessions.driver.advanceTo(LATER);
      assert.deepEqual(sessions.live(), ["s-1", "s-2"]);
    });
  }

  test("a login in its time does end who has run out by then", () => {
    const sessions = tooMany();
    const event = login({ session_id: "s-3", occurred_at: LATER });
    sessions.driver.pipe("id.login", KEY, event, { timestampMs: LATER });
    assert.deepEqual(sessions.live(), ["s-3"]);
  });
});

test("HBT-03: a command ends no session by an issuer's end that an unread login has moved", () => {
  const sessions = sessionsDriver();
  const capped = { absolute_expires_at: T0 + MINUTE_MS };
  sessions.at(T0, "id.login", login(capped));
  const of = "id.session.command";
  sessions.driver.pipe(of, KEY, urgent[of], { timestampMs: T0 + 2 * MINUTE_MS });
  const renewed = login({ absolute_expires_at: T0 + HOUR_MS, occurred_at: T0 + 1 });
  sessions.driver.pipe("id.login", KEY, renewed, { timestampMs: T0 + 1 });
  sessions.driver.advanceTo(T0 + 3 * MINUTE_MS);
  assert.deepEqual(sessions.live(), ["s-1"]);
});
