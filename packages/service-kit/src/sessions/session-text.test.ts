import assert from "node:assert/strict";
import type { SessionState } from "@vigie/schemas/types";
import fc from "fast-check";
import { test } from "vitest";
import { foundIn, textOf } from "./session-text.ts";
import { NOW_MS, storedSession } from "./testing.ts";

/** What a sink reads off the topic of a session, as far as it matters here. */
function stateOf(session = storedSession(), over: Partial<SessionState> = {}): SessionState {
  const kept: Partial<SessionState> = {
    tenant_id: session.tenantId,
    user_id: session.userId,
    session_id: session.sessionId,
    version: NOW_MS,
    status: "ACTIVE",
    adopted: session.startedAtMs === null,
    user_type: session.userType,
    org_id: session.orgId,
    roles: [...session.roles],
    channel: session.channel,
    device_id: session.deviceId,
    country: session.country,
    city: session.city,
    created_at: session.createdAtMs,
    last_seen_at: session.lastSeenMs,
    absolute_expires_at: session.absoluteExpiresAtMs,
    step_up_required_at: session.stepUpRequiredAtMs,
    risk_score: session.riskScore,
    ...over,
  };
  return kept as SessionState;
}

test("a live session's text, by example", () => {
  const text = textOf(stateOf());
  assert.match(text, /^1767607200000 ACTIVE \[1767607140000,1767607200000,.*"cashier".*\]$/);
  assert.deepEqual(foundIn(text, storedSession()), { kind: "active", session: storedSession() });
});

test("whatever a live session holds is read as it was written", () => {
  const words = fc.string({ unit: "grapheme", maxLength: 40 });
  const facts = fc.record({
    roles: fc.array(words, { maxLength: 4 }),
    orgId: fc.option(words),
    deviceId: fc.option(words),
    country: fc.option(words),
    city: fc.option(words),
    startedAtMs: fc.constantFrom(null, NOW_MS - 60_000),
    stepUpRequiredAtMs: fc.option(fc.nat()),
    riskScore: fc.nat({ max: 100 }),
  });
  fc.assert(
    fc.property(facts, (over) => {
      const session = storedSession(over);
      const found = foundIn(textOf(stateOf(session)), session);
      assert.deepEqual(found, { kind: "active", session });
    }),
  );
});

test.each([
  ["REVOKED", "REVOKED"],
  ["LOGGED_OUT", "LOGGED_OUT"],
  ["IDLE_EXPIRED", "IDLE_EXPIRED"],
  // A word of a later version is an end all the same.
  ["UNKNOWN", "EXPIRED"],
] as const)("PRV-14: of a session that is %s nothing is kept but that", (status, read) => {
  const text = textOf(stateOf(storedSession(), { status }));
  assert.equal(text, `${NOW_MS} ${status}`);
  assert.deepEqual(foundIn(text, storedSession()), { kind: "ended", status: read });
});

test("no text is no session", () => {
  assert.deepEqual(foundIn(null, storedSession()), { kind: "none" });
});
