import assert from "node:assert/strict";
import {
  SAMPLE_TIME_MS,
  sampleGeo,
  sampleHeartbeat,
  sampleLogin,
  sampleMfa,
} from "@vigie/schemas/samples";
import { nameUuid, tenantUuid, uuidOf } from "@vigie/service-kit/ids";
import { test } from "vitest";
import { anomaly, audited, revoked, sessionState } from "../testing.ts";
import {
  anomalyActivity,
  geoActivity,
  heartbeatActivity,
  loginActivity,
  mfaActivity,
  revokeActivity,
} from "./activity.ts";
import { anomalyRow, retractionRow } from "./security.ts";
import { anomalyEvent, auditedEvent } from "./security-event.ts";
import { sessionRow } from "./session.ts";

const T = SAMPLE_TIME_MS;

test("ACT-02: a login is an activity of its session at its event time", () => {
  const row = loginActivity(sampleLogin);
  assert.equal(row.activity_type, "auth_success");
  assert.equal(row.activity_category, "auth");
  assert.equal(row.success, true);
  assert.equal(row.timestamp, "2026-01-05T10:00:00.000Z");
  assert.equal(row.session_id, sampleLogin.session_id);
  assert.equal(row.tenant_id, tenantUuid("molam-sn"));
  assert.equal(row.user_id, uuidOf("molam-sn", "user", sampleLogin.user_id));
});

const kinds: [string, string, boolean | null][] = [
  [loginActivity({ ...sampleLogin, kind: "AUTH_FAIL" }).activity_type ?? "", "auth_fail", false],
  [heartbeatActivity(sampleHeartbeat).activity_type ?? "", "heartbeat", null],
  [mfaActivity({ ...sampleMfa, kind: "CHALLENGE" }).activity_type ?? "", "mfa_challenge", null],
  [mfaActivity({ ...sampleMfa, kind: "FAIL" }).activity_type ?? "", "mfa_fail", false],
  [loginActivity({ ...sampleLogin, kind: "LOGOUT" }).activity_type ?? "", "logout", null],
  [anomalyActivity(anomaly(T)).activity_type ?? "", "anomaly", null],
  [revokeActivity(revoked(T)).activity_type ?? "", "revoke", null],
];
test.each(kinds)("ACT-01, CNF-18: %s", (type, expected) => {
  assert.equal(type, expected);
});

test("PRV-12: details hold no address, agent, position, device, user or free text", () => {
  const failed = { ...sampleLogin, kind: "AUTH_FAIL", failure_reason: "wrong pin of Awa Diop" };
  const rows = [
    loginActivity(sampleLogin),
    loginActivity(failed as typeof sampleLogin),
    heartbeatActivity(sampleHeartbeat),
    mfaActivity(sampleMfa),
    geoActivity(sampleGeo),
    anomalyActivity(anomaly(T)),
    revokeActivity(revoked(T, { reason: "Awa Diop asked" })),
  ];
  const details = rows.map((row) => row.details).join();
  for (const leak of ["41.82", "Mozilla", "14.69", "Dakar", "SM-A155F", "Awa", "usr_", "u-1"]) {
    assert.ok(!details.includes(leak), `${leak} is in ${details}`);
  }
  assert.match(details, /"country":"SN"/);
});

test("one event is one row: its id is made of topic and event id, and of the tenant", () => {
  const login = loginActivity(sampleLogin);
  assert.equal(loginActivity(sampleLogin).id, login.id);
  const sameId = { ...sampleHeartbeat, event_id: sampleLogin.event_id };
  assert.notEqual(heartbeatActivity(sameId).id, login.id);
  assert.notEqual(loginActivity({ ...sampleLogin, tenant_id: "molam-ci" }).id, login.id);
});

test("an event without a session is held by its user's own row", () => {
  const one = mfaActivity(sampleMfa).session_id;
  assert.equal(one, nameUuid("molam-sn", "session", `none|${sampleMfa.user_id}`));
  assert.notEqual(mfaActivity({ ...sampleMfa, user_id: "u-2" }).session_id, one);
});

test("SES-24 to SES-26: a live session's row", () => {
  const row = sessionRow(sessionState(T));
  assert.equal(row.id, uuidOf("molam-sn", "session", "s-1"));
  assert.equal(row.session_type, "mobile");
  assert.equal(row.is_active, true);
  assert.equal(row.terminated_at, null);
  assert.equal(row.expires_at, "2026-01-05T10:30:00.000Z");
  assert.equal(row.ip_address_hash?.length, 64);
  assert.equal(row.client_info, '{"browser":"Chrome","os":"Android"}');
  assert.equal(row.authentik_session_id, "ak-1");
});

test("REV-11: an ended session's row is not active, with time and reason", () => {
  const row = sessionRow(
    sessionState(T, { status: "REVOKED", ended_at: T + 1_000, end_reason: "x".repeat(120) }),
  );
  assert.equal(row.is_active, false);
  assert.equal(row.terminated_at, "2026-01-05T10:00:01.000Z");
  assert.equal(row.termination_reason, "x".repeat(100));
});

test("a session expires at the earlier of its two ends", () => {
  const row = sessionRow(sessionState(T, { absolute_expires_at: T + 60_000 }));
  assert.equal(row.expires_at, "2026-01-05T10:01:00.000Z");
});

test("a retraction names the row of the anomaly that it withdraws", () => {
  const withdrawn = anomalyRow(anomaly(T));
  const retraction = anomaly(T, { anomaly_id: "a-2", retracts: "a-1" });
  const { id, user_id, retracted_by } = retractionRow(retraction, "a-1");
  assert.deepEqual([id, user_id, retracted_by], [withdrawn.id, withdrawn.user_id, "a-2"]);
  assert.equal(anomalyEvent(anomaly(T))?.id, id);
});

test("PRV-12: of an audited payload a security event keeps what a machine chose, no address or free text", () => {
  const attempts = { "POST /api/id/admin/sessions/revoke VIG_SCOPE_MISSING": 3 };
  const payload = { attempts, count: 3, ip: "41.82.17.9", fault: "<b>Awa</b>", note: "Awa" };
  const row = auditedEvent(audited(T, { payload: JSON.stringify(payload) }));
  assert.equal(row?.evidence, JSON.stringify({ count: 3, attempts }));
  const strange = { attempts: { "Awa: 41.82.17.9 ; rm": 1 }, count: "<3>" };
  assert.equal(auditedEvent(audited(T, { payload: JSON.stringify(strange) }))?.evidence, "{}");
});

test("an audited action that concerns no security operations centre is no security event", () => {
  for (const action of ["policy.updated", "session.revoked", "sessions.searched"]) {
    assert.equal(auditedEvent(audited(T, { action })), null, action);
  }
});
