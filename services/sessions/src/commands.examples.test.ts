import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { describe, test } from "vitest";
import {
  command,
  device,
  heartbeat,
  KEY,
  login,
  logout,
  policyRecord,
  sessionsDriver,
  summary,
  T0,
  USER,
} from "./testing.ts";

const T1 = T0 + MINUTE_MS;
/** Three sessions of one user: two on a phone, one in a browser. */
function signedIn() {
  const sessions = sessionsDriver();
  sessions.at(T0, "id.login", login({ session_id: "s-1", ...device("phone") }));
  sessions.at(T0 + 1, "id.login", login({ session_id: "s-2", ...device("phone") }));
  sessions.at(T0 + 2, "id.login", login({ session_id: "s-3", channel: "WEB" }));
  sessions.published();
  return sessions;
}

test("REV-01, REV-11, REV-14: a command revokes one session: state, revocation, result and audit in one step", () => {
  const { ask, published, revoked, results, audits, driver } = signedIn();
  ask(T1, { command_id: "c-1", kind: "REVOKE_SESSION", session_id: "s-1" });
  const [record] = published();
  assert.equal(record?.status, "REVOKED");
  assert.equal(record?.ended_at, T1);
  assert.equal(record?.end_reason, "user_request");
  const [revocation] = revoked();
  const id = revocation?.revocation_id ?? "";
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(revocation, {
    revocation_id: id,
    tenant_id: "acme",
    user_id: USER,
    session_id: "s-1",
    device_id: "phone",
    channel: "MOBILE",
    revoked_at: T1,
    session_expires_at: T0 + 720 * HOUR_MS,
    command_id: "c-1",
    anomaly_id: null,
    epoch_id: null,
    reason: "user_request",
    // No address and no user agent: subsidiaries read this.
    actor: { type: "USER", id: USER, impersonator_id: null },
  });
  assert.deepEqual(results(), [
    {
      command_id: "c-1",
      batch_id: null,
      tenant_id: "acme",
      user_id: USER,
      revoked_session_ids: ["s-1"],
      already_ended: 0,
      decided_at: T1,
    },
  ]);
  const [audit, ...more] = audits();
  assert.deepEqual(more, []);
  assert.equal(audit?.action, "session.revoked");
  assert.equal(audit?.emitter, "vigie.sessions.0");
  assert.equal(audit?.emitter_seq, 1);
  assert.equal(audit?.actor.ip, "41.82.0.1");
  assert.equal(audit?.subject_user_id, USER);
  assert.equal(
    audit?.payload,
    `{"already_ended":0,"command_id":"c-1","reason":"user_request","requested_at":${T1},` +
      '"scope":{"kind":"session","sessionId":"s-1"},"session_ids":["s-1"]}',
  );
  assert.deepEqual(
    driver.state(KEY)?.live.map((session) => session.id),
    ["s-2", "s-3"],
  );
});

describe("REV-04: a command revokes", () => {
  test("REV-02, REV-09, REV-10: all but the caller's own", () => {
    const { ask, published, results, audits } = signedIn();
    ask(T1, { keep_session_id: "s-2", reason: "security_logout" });
    assert.deepEqual(summary(published()), ["s-1 REVOKED", "s-3 REVOKED"]);
    assert.deepEqual(results()[0]?.revoked_session_ids, ["s-1", "s-3"]);
    assert.equal(audits()[0]?.action, "sessions.revoked");
  });

  test("SES-23: those of a device, and those of a channel", () => {
    const { ask, published, results } = signedIn();
    ask(T1, { kind: "REVOKE_DEVICE", device_id: "phone" });
    assert.deepEqual(summary(published()), ["s-1 REVOKED", "s-2 REVOKED"]);
    ask(T1 + 1, { kind: "REVOKE_CHANNEL", channel: "WEB" });
    assert.deepEqual(summary(published()), ["s-3 REVOKED"]);
    // What had ended before is counted within the scope of the command.
    ask(T1 + 2, { kind: "REVOKE_DEVICE", device_id: "phone" });
    ask(T1 + 2, { kind: "REVOKE_CHANNEL", channel: "WEB" });
    ask(T1 + 2);
    assert.deepEqual(
      results().map(({ already_ended }) => already_ended),
      [0, 0, 2, 1, 3],
    );
  });

  test("with an impersonator, whom revocation and audit name", () => {
    const { ask, revoked, audits } = signedIn();
    ask(T1, {
      actor: { type: "USER", id: USER, impersonator_id: "a-7", ip: null, user_agent: null },
    });
    assert.equal(revoked()[0]?.actor.impersonator_id, "a-7");
    const [audit] = audits();
    assert.deepEqual([audit?.is_impersonation, audit?.impersonated_user_id], [true, USER]);
  });

  test("nothing that is of a kind or channel that this version cannot read", () => {
    const { ask, published, driver } = signedIn();
    ask(T1, { kind: "UNKNOWN" });
    ask(T1, { kind: "REVOKE_CHANNEL", channel: "UNKNOWN" });
    assert.deepEqual(published(), []);
    assert.equal(driver.tally().dropped.unknown_kind, 2);
  });
});

describe("REV-05: a command is idempotent", () => {
  test("sent 50 times it has one effect, one result, one audit record", () => {
    const { ask, driver, published, revoked, results, audits } = signedIn();
    for (let n = 0; n < 50; n += 1) ask(T1, { command_id: "c-1" });
    assert.equal(published().length, 3);
    assert.equal(revoked().length, 3);
    assert.equal(results().length, 1);
    assert.equal(audits().length, 1);
    assert.equal(driver.tally().dropped.duplicate, 49);
  });

  test("it touches only sessions that began before it was asked for, however late it comes", () => {
    const { at, ask, published } = signedIn();
    const requested_at = T1 - 5 * SECOND_MS - 1;
    at(T1, "id.login", login({ session_id: "s-4" }));
    published();
    ask(T1 + SECOND_MS, { requested_at });
    assert.deepEqual(summary(published()), ["s-1 REVOKED", "s-2 REVOKED", "s-3 REVOKED"]);
    // Asked for again under another id, it still leaves s-4 alone.
    at(T1 + 2 * SECOND_MS, "id.heartbeat", heartbeat({ session_id: "s-4" }));
    ask(T1 + 3 * SECOND_MS, { requested_at });
    assert.deepEqual(published(), []);
  });

  test("an edge whose clock is 5 s behind the broker's misses no session that has just begun", () => {
    const { at, ask, published, audits } = signedIn();
    at(T1, "id.login", login({ session_id: "s-4" }));
    published();
    ask(T1 + 1, { requested_at: T1 - 5 * SECOND_MS });
    assert.equal(published().length, 4);
    assert.match(audits()[0]?.payload ?? "", new RegExp(`"requested_at":${T1 - 5 * SECOND_MS},`));
    // What begins once the command is on record is another matter.
    at(T1 + 2, "id.login", login({ session_id: "s-5" }));
    assert.deepEqual(summary(published()), ["s-5 ACTIVE"]);
  });

  test("it is remembered for a day", () => {
    const { ask, results, driver } = signedIn();
    ask(T1, { command_id: "c-1" });
    ask(T1 + 24 * HOUR_MS - 1, { command_id: "c-1" });
    assert.equal(results().length, 1);
    ask(T1 + 24 * HOUR_MS, { command_id: "c-1" });
    assert.equal(results().length, 1);
    assert.equal(driver.state(KEY)?.commands.length, 1);
  });

  test("after a restart from the changelog it is known, and audit numbers go on", () => {
    const { ask, driver, audits } = signedIn();
    ask(T1, { command_id: "c-1" });
    driver.restore();
    ask(T1 + 1, { command_id: "c-1" });
    ask(T1 + 2, { command_id: "c-2" });
    assert.deepEqual(
      audits().map(({ emitter_seq }) => emitter_seq),
      [1, 2],
    );
  });
});

describe("REV-04, HBT-03: what is past its absolute end before anybody has put that on record", () => {
  const later = T0 + HOUR_MS;
  /** One session of an hour, kept alive to its end; nobody wakes. */
  function outlived() {
    const sessions = sessionsDriver();
    const { driver } = sessions;
    const policy = policyRecord("acme", 1, { absolute_timeout: { hours: 1 } });
    driver.setGlobal("policies", "acme", policy);
    sessions.at(T0, "id.login", login());
    for (const minutes of [20, 40, 59]) {
      sessions.at(T0 + minutes * MINUTE_MS, "id.heartbeat", heartbeat());
    }
    sessions.published();
    return sessions;
  }
  const unwoken = { timestampMs: later + 1 };

  test.each([
    { kind: "REVOKE_ALL" } as const,
    { kind: "REVOKE_SESSION", session_id: "s-1" } as const,
  ])("$kind does not revoke it", (over) => {
    const { driver, published, revoked, results } = outlived();
    const asked = command({ ...over, requested_at: later + 1 });
    driver.pipe("id.session.command", KEY, asked, unwoken);
    const [record] = published();
    assert.deepEqual([record?.status, record?.ended_at], ["EXPIRED", later]);
    assert.deepEqual(revoked(), []);
    const [result] = results();
    assert.deepEqual([result?.revoked_session_ids, result?.already_ended], [[], 1]);
  });

  test("a changed password does not either", () => {
    const { driver, published, revoked } = outlived();
    const changed = login({ kind: "PASSWORD_CHANGED", session_id: null, occurred_at: later });
    driver.pipe("id.login", KEY, changed, unwoken);
    assert.deepEqual(summary(published()), ["s-1 EXPIRED"]);
    assert.deepEqual(revoked(), []);
  });

  test("what only seems silent is revoked: its heartbeats may lie in a backlog", () => {
    const { driver, revoked } = signedIn();
    const timestampMs = T0 + 40 * MINUTE_MS;
    const asked = command({ requested_at: timestampMs });
    driver.pipe("id.session.command", KEY, asked, { timestampMs });
    assert.equal(revoked().length, 3);
  });
});

describe("what comes after a command", () => {
  test("a late login that began before it is revoked the moment that it appears", () => {
    const { at, ask, published, revoked, audits } = signedIn();
    ask(T1, { command_id: "c-1", keep_session_id: "s-2" });
    published();
    revoked();
    audits();
    at(T1 + SECOND_MS, "id.login", login({ session_id: "late", occurred_at: T1 - 1 }));
    at(T1 + SECOND_MS, "id.login", login({ session_id: "new", occurred_at: T1 + 1 }));
    assert.deepEqual(summary(published()), ["late REVOKED", "new ACTIVE"]);
    const [revocation] = revoked();
    assert.equal(revocation?.command_id, "c-1");
    assert.equal(revocation?.revoked_at, T1 + SECOND_MS);
    assert.equal(audits()[0]?.action, "session.revoked");
  });

  test("a login that tells of an earlier start revokes what a heartbeat had adopted", () => {
    const { driver, at, ask, published } = sessionsDriver();
    ask(T0);
    const started = { session_id: "s-1", session_started_at: T0 + 1 };
    at(T0 + SECOND_MS, "id.heartbeat", heartbeat(started));
    at(T0 + 2 * SECOND_MS, "id.login", login({ occurred_at: T0 - 1 }));
    assert.deepEqual(summary(published()), ["s-1 ACTIVE", "s-1 REVOKED"]);
    assert.equal(driver.state(KEY)?.live.length, 0);
  });

  test("a heartbeat of unknown start adopts nothing, until a login tells that it began later", () => {
    const { at, ask, published } = sessionsDriver();
    ask(T0);
    at(T0 + SECOND_MS, "id.heartbeat", heartbeat());
    assert.deepEqual(published(), []);
    at(T0 + 2 * SECOND_MS, "id.login", login({ occurred_at: T0 + 1 }));
    assert.deepEqual(summary(published()), ["s-1 ACTIVE"]);
  });

  test("a session that is found to be of a revoked device follows it", () => {
    const { at, ask, published } = sessionsDriver();
    at(T0, "id.heartbeat", heartbeat({ session_started_at: T0 - 1 }));
    ask(T1, { kind: "REVOKE_DEVICE", device_id: "phone" });
    assert.deepEqual(summary(published()), ["s-1 ACTIVE"]);
    at(T1 + SECOND_MS, "id.heartbeat", heartbeat(device("phone")));
    assert.deepEqual(summary(published()), ["s-1 REVOKED"]);
  });

  test("two commands in the wrong order, each sparing another, spare nobody", () => {
    const { ask, published } = signedIn();
    ask(T1 + 1, { requested_at: T1 + 1, keep_session_id: "s-1" });
    ask(T1 + 2, { requested_at: T1, keep_session_id: "s-2" });
    const ended = published().filter((record) => record?.status === "REVOKED");
    assert.deepEqual(ended.map((record) => record?.session_id).sort(), ["s-1", "s-2", "s-3"]);
  });
});

describe("a session that is revoked before it is known", () => {
  test("is put on record as revoked by its login, whenever it began", () => {
    const { at, ask, published, results, revoked } = sessionsDriver();
    ask(T0, { kind: "REVOKE_SESSION", session_id: "s-1" });
    const [result] = results();
    assert.deepEqual([result?.revoked_session_ids, result?.already_ended], [[], 0]);
    at(T1, "id.login", login({ occurred_at: T0 + 1 }));
    assert.deepEqual(summary(published()), ["s-1 REVOKED"]);
    assert.equal(revoked().length, 1);
    at(T1 + 1, "id.heartbeat", heartbeat());
    assert.deepEqual(published(), []);
  });

  test("or by its first heartbeat, since then it is in use", () => {
    const { at, ask, published } = sessionsDriver();
    ask(T0, { kind: "REVOKE_SESSION", session_id: "s-1" });
    ask(T0 + 1);
    at(T1, "id.heartbeat", heartbeat());
    assert.deepEqual(summary(published()), ["s-1 REVOKED"]);
  });

  test("but stays logged out if it was", () => {
    const { at, ask, published, results } = sessionsDriver();
    at(T0, "id.login", logout());
    ask(T0 + 1, { kind: "REVOKE_SESSION", session_id: "s-1" });
    assert.equal(results()[0]?.already_ended, 1);
    at(T1, "id.login", login({ occurred_at: T0 - 1 }));
    assert.deepEqual(summary(published()), ["s-1 LOGGED_OUT"]);
  });
});

test("REV-13: a changed password revokes all but the named session, late logins too", () => {
  const { at, published, revoked, audits } = signedIn();
  at(T1, "id.login", login({ kind: "PASSWORD_CHANGED", session_id: "s-3" }));
  at(T1 + 1, "id.login", login({ session_id: "late", occurred_at: T1 - 1 }));
  assert.deepEqual(summary(published()), ["s-1 REVOKED", "s-2 REVOKED", "late REVOKED"]);
  const [first] = revoked();
  assert.equal(first?.reason, "password_change");
  assert.equal(first?.actor.type, "POLICY");
  assert.equal(audits()[0]?.action, "sessions.revoked");
});

describe("revoked_session_use", () => {
  test("a heartbeat more than 60 s after the revocation is told of, once an hour", () => {
    const { at, ask, driver, anomalies } = signedIn();
    ask(T1, { kind: "REVOKE_SESSION", session_id: "s-1" });
    const beat = (ms: number) => at(ms, "id.heartbeat", heartbeat());
    beat(T1 + MINUTE_MS);
    assert.deepEqual(anomalies(), []);
    beat(T1 + MINUTE_MS + 1);
    beat(T1 + 2 * MINUTE_MS);
    const [anomaly, ...more] = anomalies();
    assert.deepEqual(more, []);
    assert.equal(anomaly?.kind, "revoked_session_use");
    assert.equal(anomaly?.severity, "HIGH");
    assert.equal(anomaly?.risk_score, 85);
    assert.equal(anomaly?.action, "LOG_ONLY");
    assert.equal(anomaly?.session_id, "s-1");
    assert.deepEqual(anomaly?.evidence, {
      seconds_after_revocation: "60",
      grace_s: "60",
      channel: "MOBILE",
    });
    driver.restore();
    beat(T1 + MINUTE_MS + HOUR_MS);
    assert.deepEqual(anomalies(), []);
    beat(T1 + MINUTE_MS + HOUR_MS + 1);
    assert.equal(anomalies().length, 1);
  });

  test("a session that ended by itself has no such thing", () => {
    const { at, anomalies } = sessionsDriver();
    at(T0, "id.login", login());
    at(T0 + 1, "id.login", logout());
    at(T0 + 10 * MINUTE_MS, "id.heartbeat", heartbeat());
    assert.deepEqual(anomalies(), []);
  });
});
