import assert from "node:assert/strict";
import { MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import { describe, test } from "vitest";
import {
  device,
  heartbeat,
  KEY,
  login,
  logout,
  policyRecord,
  sessionsDriver,
  summary,
  T0,
  TENANT,
} from "./testing.ts";

describe("more than can be remembered", () => {
  test("of ended sessions: older starts are refused from then on", () => {
    const { driver, at, published } = sessionsDriver();
    for (let n = 0; n < 300; n += 1) {
      const ms = T0 + n * MINUTE_MS;
      at(ms, "id.login", login({ session_id: `s-${n}` }));
      at(ms + SECOND_MS, "id.login", logout({ session_id: `s-${n}` }));
    }
    const records = published();
    assert.equal(records.filter((record) => record === null).length, 44);
    const ms = T0 + 300 * MINUTE_MS;
    const first = { session_id: "s-0", occurred_at: T0 + 1 };
    at(ms, "id.login", login(first));
    at(ms, "id.heartbeat", heartbeat({ session_id: "s-0" }));
    at(ms, "id.heartbeat", heartbeat({ session_id: "s-0", session_started_at: T0 }));
    assert.deepEqual(published(), []);
    at(ms, "id.heartbeat", heartbeat({ session_id: "new", session_started_at: ms - 1 }));
    assert.deepEqual(summary(published()), ["new ACTIVE"]);
    assert.equal(driver.tally().dropped.login_without_session, 1);
  });

  test("of live sessions, where no policy limits them: the one seen longest ago makes room", () => {
    const { at, driver, published } = sessionsDriver();
    const unlimited = { max_concurrent_sessions: { count: 0 } };
    driver.setGlobal("policies", TENANT, policyRecord(TENANT, 1, unlimited));
    for (let n = 0; n < 129; n += 1) {
      at(T0 + n * SECOND_MS, "id.login", login({ session_id: `s-${n}`, channel: "API" }));
    }
    const ended = published().filter((record) => record?.status !== "ACTIVE");
    assert.deepEqual(summary(ended), ["s-0 REVOKED"]);
    assert.equal(ended[0]?.end_reason, "session_limit");
  });

  test("of logouts without a session: the oldest gives way", () => {
    const { at, driver } = sessionsDriver();
    for (let n = 0; n < 65; n += 1) {
      at(T0 + n, "id.login", logout({ session_id: `s-${n}` }));
    }
    assert.equal(driver.state(KEY)?.tombstones.length, 64);
    assert.equal(driver.state(KEY)?.notBeforeMs, T0);
  });

  test("of revoked devices: older starts are refused on any", () => {
    const { at, ask, published, driver } = sessionsDriver();
    for (let n = 0; n < 33; n += 1) ask(T0 + n, { kind: "REVOKE_DEVICE", device_id: `d-${n}` });
    assert.equal(driver.state(KEY)?.barriers.length, 32);
    assert.equal(driver.state(KEY)?.notBeforeMs, T0);
    at(T0 + MINUTE_MS, "id.login", login({ occurred_at: T0 - 1, ...device("d-0") }));
    assert.deepEqual(published(), []);
    at(T0 + MINUTE_MS, "id.login", login({ occurred_at: T0 + 1, ...device("d-0") }));
    assert.deepEqual(summary(published()), ["s-1 ACTIVE"]);
  });
});
