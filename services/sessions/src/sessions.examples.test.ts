import assert from "node:assert/strict";
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import { describe, test } from "vitest";
import {
  geo,
  heartbeat,
  KEY,
  login,
  logout,
  mfa,
  policyRecord,
  sessionsDriver,
  summary,
  T0,
  TENANT,
} from "./testing.ts";

const ANDROID =
  "Mozilla/5.0 (Linux; Android 13; TECNO KI5k) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36";

/** The last record, of the one session that most examples have. */
function lastOf(records: readonly (SessionState | null)[]): SessionState {
  const last = records.at(-1);
  assert.ok(last, "a session was published");
  return last;
}

const expected: SessionState = {
  tenant_id: "acme",
  user_id: "u-1",
  session_id: "s-1",
  version: T0,
  status: "ACTIVE",
  adopted: false,
  user_type: "INTERNAL",
  org_id: "org-sn",
  roles: ["support"],
  channel: "WEB",
  device_id: "d-1",
  client: {
    browser: "Chrome",
    browser_version: "120.0.0.0",
    os: "Android",
    device_type: "mobile",
  },
  user_agent: ANDROID,
  login_method: "sso",
  ip_prefix: "41.82.17.203/24",
  ip_hash: "hash-41.82.17.203",
  ip_hash_key_id: "k1",
  country: "SN",
  city: "Dakar",
  created_at: T0,
  last_seen_at: T0,
  idle_expires_at: T0 + 30 * MINUTE_MS,
  absolute_expires_at: T0 + 720 * HOUR_MS,
  step_up_required_at: null,
  ended_at: null,
  end_reason: null,
  risk_score: 0,
  policy_version: 0,
  upstream_session_ref: "ak-1",
};

describe("a session begins", () => {
  test("SES-01, SES-03, SES-15, SES-16: a login puts a whole record on the topic", () => {
    // Given a user of whom nothing is known
    const { driver, at } = sessionsDriver();
    // When they sign in
    at(
      T0,
      "id.login",
      login({
        channel: "WEB",
        user_type: "INTERNAL",
        org_id: "org-sn",
        roles: ["support"],
        login_method: "sso",
        upstream_session_ref: "ak-1",
        network: { ip: "41.82.17.203", user_agent: ANDROID },
        device: { device_id: "d-1", fingerprint: null },
        location: {
          source: "GPS",
          lat: 14.69,
          lon: -17.44,
          accuracy_m: 10,
          country: "SN",
          city: "Dakar",
        },
      }),
    );
    // Then the session is active, correlated with device and place, and holds neither address nor coordinates
    const [output] = driver.read<SessionState>("began");
    assert.equal(output?.key, `${KEY}|s-1`);
    assert.deepEqual(output?.value, expected);
  });

  test("an event that comes twice counts once", () => {
    const { driver, at, published } = sessionsDriver();
    const event = login();
    at(T0, "id.login", event);
    at(T0 + 1, "id.login", { ...event, occurred_at: T0 });
    assert.deepEqual(summary(published()), ["s-1 ACTIVE"]);
    assert.equal(driver.tally().dropped.duplicate, 1);
  });

  test("failures and records without a session touch nothing", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login({ kind: "AUTH_FAIL", session_id: null }));
    at(T0, "id.mfa", mfa({ session_id: null }));
    at(T0, "id.geo", geo({ session_id: null }));
    at(T0, "id.mfa", mfa({ kind: "FAIL" }));
    assert.deepEqual(published(), []);
    assert.equal(driver.tally().dropped.no_effect, 4);
    assert.equal(driver.state(KEY), null);
  });

  test("a clock that runs ahead is not believed: seen when it was put on record", () => {
    const { at, published } = sessionsDriver();
    at(T0, "id.login", login({ occurred_at: T0 + 4 * MINUTE_MS }));
    assert.equal(lastOf(published()).last_seen_at, T0);
  });
});

describe("a heartbeat", () => {
  test("of an unknown session adopts it, and the login that comes later enriches it", () => {
    const { at, published } = sessionsDriver();
    at(T0, "id.heartbeat", heartbeat({ channel: "WEB" }));
    const adopted = lastOf(published());
    assert.equal(adopted.adopted, true);
    assert.equal(adopted.created_at, T0);
    at(T0 + SECOND_MS, "id.login", login({ occurred_at: T0 - MINUTE_MS, login_method: "pin" }));
    const enriched = lastOf(published());
    assert.equal(enriched.adopted, false);
    assert.equal(enriched.login_method, "pin");
    assert.equal(enriched.created_at, T0 - MINUTE_MS);
    assert.equal(enriched.last_seen_at, T0);
    assert.ok(enriched.version > adopted.version);
  });

  test("older than the idle timeout, or of a session past its end, adopts nothing", () => {
    const { at, published } = sessionsDriver();
    at(T0, "id.heartbeat", heartbeat({ occurred_at: T0 - 30 * MINUTE_MS }));
    at(T0, "id.heartbeat", heartbeat({ session_started_at: T0 - 720 * HOUR_MS }));
    assert.deepEqual(published(), []);
    at(T0, "id.heartbeat", heartbeat({ occurred_at: T0 - 30 * MINUTE_MS + 1 }));
    assert.deepEqual(summary(published()), ["s-1 ACTIVE"]);
  });

  test("HBT-01: extends the session; alone it publishes at most every 30 s, and never too little", () => {
    const { at, driver, published } = sessionsDriver();
    at(T0, "id.login", login());
    at(T0 + 10 * SECOND_MS, "id.heartbeat", heartbeat());
    at(T0 + 20 * SECOND_MS, "id.heartbeat", heartbeat());
    assert.equal(published().length, 1);
    // The last sighting is published when the 30 s are over, even if nothing follows.
    driver.advanceTo(T0 + 30 * SECOND_MS);
    const record = lastOf(published());
    assert.equal(record.last_seen_at, T0 + 20 * SECOND_MS);
    assert.equal(record.idle_expires_at, T0 + 20 * SECOND_MS + 30 * MINUTE_MS);
  });

  test("may move a session, but not give it away", () => {
    const { at, published } = sessionsDriver();
    at(T0, "id.login", login({ channel: "MOBILE", network: { ip: "1.1.1.1", user_agent: "a" } }));
    at(
      T0 + MINUTE_MS,
      "id.heartbeat",
      heartbeat({
        channel: "WEB",
        user_type: "INTERNAL",
        roles: ["admin"],
        network: { ip: "2.2.2.2", user_agent: null },
      }),
    );
    const { channel, user_type, roles, ip_prefix, user_agent } = lastOf(published());
    assert.deepEqual(
      { channel, user_type, ip_prefix, user_agent },
      { channel: "MOBILE", user_type: "EXTERNAL", ip_prefix: "2.2.2.2/24", user_agent: "a" },
    );
    // An empty list is a gap that may be filled.
    assert.deepEqual(roles, ["admin"]);
  });
});

describe("a session ends", () => {
  test("HBT-02: silent for 30 minutes, at its deadline, whenever that is noticed", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login());
    at(T0 + 20 * MINUTE_MS, "id.heartbeat", heartbeat());
    driver.advanceTo(T0 + 50 * MINUTE_MS - 1);
    assert.deepEqual(summary(published()), ["s-1 ACTIVE", "s-1 ACTIVE"]);
    driver.advanceTo(T0 + 60 * MINUTE_MS);
    const ended = lastOf(published());
    assert.equal(ended.status, "IDLE_EXPIRED");
    assert.equal(ended.ended_at, T0 + 50 * MINUTE_MS);
    assert.equal(ended.end_reason, "idle_timeout");
  });

  test("HBT-03: after 720 hours, however busy it is", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login());
    for (let ms = T0; ms < T0 + 720 * HOUR_MS; ms += 29 * MINUTE_MS) {
      at(ms, "id.heartbeat", heartbeat());
    }
    assert.equal(lastOf(published()).status, "ACTIVE");
    driver.advanceTo(T0 + 720 * HOUR_MS);
    const ended = lastOf(published());
    assert.equal(ended.status, "EXPIRED");
    assert.equal(ended.ended_at, T0 + 720 * HOUR_MS);
  });

  test("at the issuer's end, if that is earlier than the policy's", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login({ absolute_expires_at: T0 + 5 * MINUTE_MS }));
    assert.equal(lastOf(published()).idle_expires_at, T0 + 5 * MINUTE_MS);
    driver.advanceTo(T0 + 5 * MINUTE_MS);
    assert.equal(lastOf(published()).status, "EXPIRED");
  });

  test("USS-01: on USSD after three silent minutes", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login({ channel: "USSD" }));
    driver.advanceTo(T0 + 3 * MINUTE_MS);
    assert.equal(lastOf(published()).status, "IDLE_EXPIRED");
  });
});

describe("an ended session", () => {
  test("by logout stays ended, whatever comes later", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login());
    at(T0 + MINUTE_MS, "id.login", logout());
    const ended = lastOf(published());
    assert.equal(ended.status, "LOGGED_OUT");
    assert.equal(ended.end_reason, "logout");
    at(T0 + 2 * MINUTE_MS, "id.heartbeat", heartbeat({ session_started_at: T0 }));
    at(T0 + 2 * MINUTE_MS, "id.login", login());
    at(T0 + 2 * MINUTE_MS, "id.login", logout());
    assert.deepEqual(published(), []);
    // SES-22: the login that has no session is counted as something to look at.
    assert.equal(driver.tally().dropped.login_without_session, 1);
  });

  test("whose logout came first is recorded as logged out by its login", () => {
    const { at, published } = sessionsDriver();
    at(T0, "id.login", logout());
    at(T0 + SECOND_MS, "id.heartbeat", heartbeat());
    assert.deepEqual(published(), []);
    at(T0 + 2 * SECOND_MS, "id.login", login({ occurred_at: T0 - MINUTE_MS }));
    const ended = lastOf(published());
    assert.equal(ended.status, "LOGGED_OUT");
    assert.equal(ended.created_at, T0 - MINUTE_MS);
    assert.equal(ended.ended_at, T0);
  });

  test("is not rescued by a heartbeat after its deadline", () => {
    const { driver, at, published } = sessionsDriver();
    at(T0, "id.login", login());
    // Both are read before the wake-up: the task was behind.
    driver.pipe("id.heartbeat", KEY, heartbeat({ occurred_at: T0 + 31 * MINUTE_MS }), {
      timestampMs: T0 + 31 * MINUTE_MS,
    });
    driver.advanceTo(T0 + 31 * MINUTE_MS);
    const ended = lastOf(published());
    assert.equal(ended.status, "IDLE_EXPIRED");
    assert.equal(ended.ended_at, T0 + 30 * MINUTE_MS);
  });

  test.each([
    ["90 days, the default", {}, 90],
    ["10 days", { session_retention: { days: 10 } }, 10],
  ])("PRV-13: has a record for %s", (_days, document, days) => {
    const { driver, at, published } = sessionsDriver();
    driver.setGlobal("policies", TENANT, policyRecord(TENANT, 1, document));
    at(T0, "id.login", login());
    at(T0 + MINUTE_MS, "id.login", logout());
    published();
    const clearMs = T0 + MINUTE_MS + days * DAY_MS;
    driver.advanceTo(clearMs - 1);
    assert.deepEqual(published(), []);
    driver.advanceTo(clearMs);
    assert.deepEqual(published(), [null]);
    // It is remembered until no event of it can be admitted any more, and removed once.
    const forgetMs = Math.max(clearMs, T0 + 720 * HOUR_MS + 30 * DAY_MS);
    if (clearMs < forgetMs) driver.advanceTo(forgetMs - 1);
    if (clearMs < forgetMs) assert.equal(driver.state(KEY)?.ended.length, 1);
    driver.advanceTo(forgetMs);
    assert.deepEqual(published(), []);
    assert.equal(driver.state(KEY), null);
  });
});

describe("POL-05: a tenant's policy", () => {
  test("lies over the default of all, and its version is on the record", () => {
    const { driver, at, published } = sessionsDriver();
    driver.setGlobal("policies", "*", policyRecord("*", 3, { idle_timeout: { minutes: 10 } }));
    at(T0, "id.login", login());
    assert.equal(lastOf(published()).idle_expires_at, T0 + 10 * MINUTE_MS);
    driver.setGlobal(
      "policies",
      TENANT,
      policyRecord(TENANT, 7, { absolute_timeout: { hours: 1 } }),
    );
    at(T0 + MINUTE_MS, "id.heartbeat", heartbeat());
    const record = lastOf(published());
    assert.equal(record.policy_version, 7);
    assert.equal(record.idle_expires_at, T0 + 11 * MINUTE_MS);
    assert.equal(record.absolute_expires_at, T0 + HOUR_MS);
  });

  test("that is not valid leaves the last good one in force", () => {
    const { driver, at, published } = sessionsDriver();
    driver.setGlobal("policies", TENANT, policyRecord(TENANT, 1, { idle_timeout: { minutes: 0 } }));
    at(T0, "id.login", login());
    assert.equal(lastOf(published()).idle_expires_at, T0 + 30 * MINUTE_MS);
    driver.setGlobal("policies", TENANT, policyRecord(TENANT, 2, { idle_timeout: { minutes: 5 } }));
    at(T0, "id.login", login({ session_id: "s-2" }));
    driver.setGlobal("policies", TENANT, policyRecord(TENANT, 3, { idle_timeout: "never" }));
    at(T0, "id.login", login({ session_id: "s-3" }));
    const record = lastOf(published());
    assert.equal(record.idle_expires_at, T0 + 5 * MINUTE_MS);
    assert.equal(record.policy_version, 2);
  });
});

test("activity of a second factor or a place keeps a session alive and adopts nothing", () => {
  const { at, published } = sessionsDriver();
  at(T0, "id.mfa", mfa());
  assert.deepEqual(published(), []);
  at(T0, "id.login", login());
  at(T0 + MINUTE_MS, "id.mfa", mfa());
  at(
    T0 + 2 * MINUTE_MS,
    "id.geo",
    geo({
      location: {
        source: "GPS",
        lat: 5.3,
        lon: -4,
        accuracy_m: null,
        country: "CI",
        city: "Abidjan",
      },
    }),
  );
  const record = lastOf(published());
  assert.equal(record.last_seen_at, T0 + 2 * MINUTE_MS);
  assert.equal(record.city, "Abidjan");
});

test("a state rebuilt from the changelog ends its sessions as the lost one would have", () => {
  const { driver, at, published } = sessionsDriver();
  at(T0, "id.login", login());
  driver.restore();
  driver.advanceTo(T0 + 30 * MINUTE_MS);
  assert.deepEqual(summary(published()), ["s-1 ACTIVE", "s-1 IDLE_EXPIRED"]);
});
