import assert from "node:assert/strict";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { LocalRateLimiter } from "@vigie/service-kit/http/rate-limit";
import { test } from "vitest";
import { NOW_MS } from "../test-edge.ts";
import { excessLogins } from "./excess-logins.ts";

const MINUTE_MS = 60_000;
const excess: SessionAnomaly = {
  anomaly_id: "a-1",
  tenant_id: "acme",
  user_id: "u-1",
  session_id: "s-6",
  kind: "concurrent_sessions",
  severity: "MEDIUM",
  risk_score: 45,
  action: "LOG_ONLY",
  mode: "ENFORCE",
  occurred_at: NOW_MS,
  detected_at: NOW_MS,
  rule_version: "1",
  policy_version: 1,
  cause_event_ids: ["e-1"],
  evidence: { sessions: "6", limit: "5", of: "ALL", on_excess: "alarm" },
  explanation: "6 sessions of the user lived at once.",
  retracts: null,
};

function open() {
  let nowMs = NOW_MS;
  const clock = () => nowMs;
  const limiter = new LocalRateLimiter({ clock });
  const limitMs = 10 * MINUTE_MS;
  const logins = excessLogins({ limiter, clock, loginsPerMinute: 2, limitMs });
  return { logins, pass: (ms: number) => (nowMs += ms) };
}

test("ANO-14: after the alarm so many logins a minute of that user pass, for some time", () => {
  const { logins, pass } = open();
  for (let n = 0; n < 10; n += 1) assert.equal(logins.waitMs("acme|u-1"), 0);
  logins.note(excess);
  assert.equal(logins.waitMs("acme|u-1"), 0);
  assert.equal(logins.waitMs("acme|u-1"), 0);
  assert.equal(logins.waitMs("acme|u-1"), 30_000);
  assert.equal(logins.waitMs("acme|u-2"), 0);
  assert.equal(logins.waitMs("other|u-1"), 0);
  pass(30_000);
  assert.equal(logins.waitMs("acme|u-1"), 0);
  assert.equal(logins.waitMs("acme|u-1"), 30_000);
  pass(10 * MINUTE_MS);
  for (let n = 0; n < 10; n += 1) assert.equal(logins.waitMs("acme|u-1"), 0);
});

test.each<[string, Partial<SessionAnomaly>]>([
  ["where the oldest session is revoked", { evidence: { on_excess: "revoke_oldest" } }],
  ["in the shadow", { mode: "SHADOW" }],
  ["withdrawn", { retracts: "a-0" }],
  ["of another kind", { kind: "bruteforce" }],
])("an alarm %s slows nobody", (_name, over) => {
  const { logins } = open();
  logins.note({ ...excess, ...over });
  for (let n = 0; n < 10; n += 1) assert.equal(logins.waitMs("acme|u-1"), 0);
});

test("users in excess are remembered up to a limit, the latest first", () => {
  const { logins } = open();
  for (let n = 0; n <= 10_000; n += 1) logins.note({ ...excess, user_id: `u-${n}` });
  const third = (key: string) => [1, 2, 3].map(() => logins.waitMs(key)).at(-1);
  assert.equal(third("acme|u-0"), 0);
  assert.equal(third("acme|u-10000"), 30_000);
});
