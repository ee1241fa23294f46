import assert from "node:assert/strict";
import { defaultPolicy, overlayPolicy } from "@vigie/core/policy";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { test } from "vitest";
import { type InForce, judge } from "./liveness.ts";
import type { SessionRow } from "./session-rows.ts";

const T0 = Date.parse("2026-01-05T10:00:00Z");

const row = (more: Partial<SessionRow> = {}): SessionRow => ({
  id: "6b1f5a0e-4c3d-5e8f-9a7b-2d4c6e8f0a1b",
  tenant_id: "6b1f5a0e-4c3d-5e8f-9a7b-2d4c6e8f0a1c",
  user_id: "6b1f5a0e-4c3d-5e8f-9a7b-2d4c6e8f0a1d",
  device_id: null,
  session_type: "mobile",
  login_method: "sso",
  created_at: new Date(T0),
  last_activity: new Date(T0),
  expires_at: new Date(T0 + 30 * MINUTE_MS),
  absolute_expires_at: new Date(T0 + 720 * HOUR_MS),
  status: "ACTIVE",
  terminated_at: null,
  termination_reason: null,
  user_agent: null,
  client_info: {},
  session_data: { roles: ["customer"], adopted: false },
  tenant_key: "molam-sn",
  user_key: "usr_1",
  session_key: "s-1",
  device_key: null,
  ip_prefix: null,
  country: null,
  city: null,
  user_type: "EXTERNAL",
  org_id: "pay",
  step_up_required_at: null,
  risk_score: 0,
  ...more,
});

const inForce = (more: Partial<InForce> = {}): InForce => ({
  policyOf: () => defaultPolicy,
  denialOf: () => null,
  outagesOf: () => [],
  ...more,
});

const after = (minutes: number) => T0 + minutes * MINUTE_MS;
const stateOf = (session: SessionRow, force: InForce, nowMs: number) => {
  const { isActive, status, endReason, expiresAtMs } = judge(session, force, nowMs);
  return { isActive, status, endReason, minutes: (expiresAtMs - T0) / MINUTE_MS };
};

test("HBT-02: a row lives until it was silent for the idle timeout, to the millisecond", () => {
  const live = { isActive: true, status: "ACTIVE", endReason: null, minutes: 30 };
  assert.deepEqual(stateOf(row(), inForce(), after(30) - 1), live);
  const over = { isActive: false, status: "IDLE_EXPIRED", endReason: "idle_timeout", minutes: 30 };
  assert.deepEqual(stateOf(row(), inForce(), after(30)), over);
});

test("POL-01: a changed policy counts at once, for a channel and a role too", () => {
  const idle = (minutes: number) => ({ idle_timeout: { minutes } });
  const short = overlayPolicy(defaultPolicy, idle(5));
  assert.equal(stateOf(row(), inForce({ policyOf: () => short }), after(6)).isActive, false);
  const roles = overlayPolicy(defaultPolicy, { roles: { teller: idle(1) } });
  const teller = row({ session_data: { roles: ["teller"] } });
  assert.equal(stateOf(teller, inForce({ policyOf: () => roles }), after(2)).isActive, false);
  assert.equal(stateOf(row(), inForce({ policyOf: () => roles }), after(2)).isActive, true);
  const ussd = row({ session_type: "ussd" });
  assert.equal(stateOf(ussd, inForce(), after(4)).status, "IDLE_EXPIRED");
});

test("HBT-03: nobody lives past the absolute end, whatever a longer policy says", () => {
  const busy = row({
    last_activity: new Date(after(59)),
    absolute_expires_at: new Date(after(60)),
  });
  const { status, endReason } = stateOf(busy, inForce(), after(60));
  assert.deepEqual([status, endReason], ["EXPIRED", "absolute_timeout"]);
});

test("an outage of our own ends nobody's session for silence", () => {
  const outages = [{ fromMs: after(1), untilMs: after(41) }];
  const force = inForce({ outagesOf: () => outages });
  assert.equal(stateOf(row(), force, after(50)).isActive, true);
});

test("REV-12: a denial beats an active row, and is asked for with all that an epoch goes by", () => {
  const asked: unknown[] = [];
  const force = inForce({
    denialOf(session) {
      asked.push(session);
      return { by: "epoch", deniedAtMs: after(1) };
    },
  });
  const judged = judge(row(), force, after(2));
  assert.deepEqual(
    [judged.isActive, judged.status, judged.endedAtMs],
    [false, "REVOKED", after(1)],
  );
  judge(row({ session_data: { adopted: true } }), force, after(2));
  const session = {
    tenantId: "molam-sn",
    userId: "usr_1",
    sessionId: "s-1",
    orgId: "pay",
    channel: "MOBILE",
  };
  assert.deepEqual(asked, [
    { ...session, roles: ["customer"], startedAtMs: T0 },
    // Nobody knows when an adopted session began.
    { ...session, roles: [], startedAtMs: null },
  ]);
});

test("what has ended is told as it is stored, and nothing is asked", () => {
  const nobody = () => assert.fail("an ended session needs no judge");
  const force = inForce({ policyOf: nobody, denialOf: nobody, outagesOf: nobody });
  const ended = row({
    status: "LOGGED_OUT",
    terminated_at: new Date(after(3)),
    termination_reason: "logout",
  });
  const judged = judge(ended, force, after(4));
  assert.deepEqual(
    [judged.isActive, judged.status, judged.endedAtMs, judged.endReason],
    [false, "LOGGED_OUT", after(3), "logout"],
  );
});
