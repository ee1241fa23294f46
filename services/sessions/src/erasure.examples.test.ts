import assert from "node:assert/strict";
import { MINUTE_MS } from "@vigie/core/time";
import { test } from "vitest";
import { heartbeat, KEY, login, logout, mfa, sessionsDriver, T0 } from "./testing.ts";

const T1 = T0 + MINUTE_MS;
const T2 = T1 + MINUTE_MS;

/** One session lives, one has ended, and one was revoked before it appeared. */
function known() {
  const sessions = sessionsDriver();
  sessions.at(T0, "id.login", login({ session_id: "s-1" }));
  sessions.at(T0 + 1, "id.login", login({ session_id: "s-2" }));
  sessions.at(T0 + 2, "id.login", logout({ session_id: "s-2" }));
  sessions.ask(T0 + 3, { kind: "REVOKE_SESSION", session_id: "s-3" });
  sessions.published();
  sessions.audits();
  return sessions;
}

test("PRV-14: an erasure revokes what lives, removes every record and leaves no state", () => {
  const { erase, revoked, parts, audits, driver } = known();
  erase(T1);
  const removed = driver.read<null>("forgotten");
  assert.deepEqual(removed.map(({ key, value }) => [key, value]).sort(), [
    [`${KEY}|s-1`, null],
    [`${KEY}|s-2`, null],
  ]);
  const [revocation, ...more] = revoked();
  assert.deepEqual(more, []);
  assert.equal(revocation?.session_id, "s-1");
  assert.equal(revocation?.reason, "erasure");
  assert.deepEqual(revocation?.actor, { type: "SYSTEM", id: "erasure", impersonator_id: null });
  assert.equal(driver.state(KEY), null);
  assert.deepEqual(parts(), [
    { erasure_id: "x-1", tenant_id: "acme", part: "sessions", done_at: T1 },
  ]);
  assert.equal(audits()[0]?.action, "session.revoked");
});

test("a revocation by erasure is dated as the request, so that whoever has erased drops it", () => {
  const { erase, revoked, audits } = known();
  erase(T2, T1);
  assert.equal(revoked()[0]?.revoked_at, T1);
  assert.equal(audits()[0]?.occurred_at, T1);
});

test("what happened before and comes late is dropped, of every kind", () => {
  const { at, ask, erase, driver, published } = known();
  erase(T1);
  published();
  at(T2, "id.login", login({ session_id: "s-4", occurred_at: T1 }));
  at(T2, "id.heartbeat", heartbeat({ occurred_at: T1 - 1 }));
  at(T2, "id.mfa", mfa({ occurred_at: T1 - 1 }));
  ask(T2, { requested_at: T1 - 1 });
  assert.equal(driver.state(KEY), null);
  assert.deepEqual(published(), []);
  assert.equal(driver.tally().dropped.erased, 4);
});

test("a session of before does not come back with a heartbeat of after; a new login begins anew", () => {
  const { at, erase, driver, published } = known();
  erase(T1);
  at(T2, "id.heartbeat", heartbeat({ session_id: "s-1" }));
  at(T2, "id.heartbeat", heartbeat({ session_id: "s-5", session_started_at: T1 - 1 }));
  published();
  at(T2 + 1, "id.login", login({ session_id: "s-6" }));
  assert.deepEqual(
    published().map((record) => record?.session_id),
    ["s-6"],
  );
  at(T2 + 2, "id.heartbeat", heartbeat({ session_id: "s-1" }));
  at(T2 + 3, "id.login", login({ session_id: "s-7", occurred_at: T1 }));
  assert.deepEqual(
    driver.state(KEY)?.live.map(({ id }) => id),
    ["s-6"],
  );
});

test("the same request again takes nothing of a new beginning, and is answered again", () => {
  const { at, erase, driver, parts } = known();
  erase(T1);
  at(T2, "id.login", login({ session_id: "s-6" }));
  erase(T2 + 1, T1);
  assert.deepEqual(
    driver.state(KEY)?.live.map(({ id }) => id),
    ["s-6"],
  );
  assert.equal(parts().length, 2);
});

test("a person of whom nothing is known is erased, too: what comes late is dropped", () => {
  const { at, erase, driver, parts } = sessionsDriver();
  erase(T1);
  assert.equal(parts().length, 1);
  at(T2, "id.login", login({ occurred_at: T1 }));
  assert.equal(driver.state(KEY), null);
});
