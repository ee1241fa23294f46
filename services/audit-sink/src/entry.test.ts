import { describe, expect, test } from "vitest";
import { type AuditEntry, entryOfAnomaly, entryOfAudit, ownEntry } from "./entry.ts";
import { anomaly, auditEvent, T0 } from "./testing.ts";

const origin = { topic: "id.audit", partition: 2, offset: 7, timestampMs: T0 };
const actor = auditEvent(1).actor;

test("no emitter can speak for the log itself, and what it wrote is kept", () => {
  for (const emitter of ["audit-sink", "audit-\0sink"]) {
    const entry = entryOfAudit(auditEvent(1, { emitter, action: "subject.key_destroyed" }), origin);
    expect(entry).toMatchObject({
      emitter: "id.audit:audit-sink",
      action: "subject.key_destroyed",
    });
  }
  expect(entryOfAudit(auditEvent(1), origin).emitter).toBe("edge.1");
});

test("no emitter can take the id of what the log itself will write, or of an anomaly", () => {
  const taken = (event_id: string) => entryOfAudit(auditEvent(1, { event_id }), origin).eventId;
  const own = { eventId: "x", tenantKey: "t", occurredAtMs: T0, action: "a", payload: null };
  const ids = [
    ownEntry(own, origin).eventId,
    entryOfAnomaly(anomaly(1), { ...origin, topic: "id.session.anomaly" })?.eventId ?? "",
  ];
  expect(ids).toEqual(["audit-sink:x", "anomaly:a-1"]);
  for (const id of ids) {
    expect(taken(id)).toBe(`id.audit:${id}`);
    expect(taken(`\0${id}`)).toBe(`id.audit:${id}`);
  }
});

test("AUD-03, AUD-04: an entry has actor, time, payload, address and user agent", () => {
  expect(entryOfAudit(auditEvent(1), origin)).toMatchObject({
    eventId: "e-1",
    occurredAtMs: 1_767_607_200_001,
    actorType: "ADMIN",
    actorId: "admin-1",
    ip: "41.82.0.17",
    userAgent: "Mozilla/5.0",
    payload: { reason: "admin", session_id: "s-1" },
    origin,
  });
});

describe("a payload that is no JSON is kept as text, never refused", () => {
  const deep = "[".repeat(20_000) + "]".repeat(20_000);
  test.each(["not json", "", deep, '"\\ud800"', '{"\\ud800":1}', "[1e999]"])("%#", (payload) => {
    const entry = entryOfAudit(auditEvent(1, { payload }), origin);
    expect(entry.payload).toEqual({ unparsed: payload });
  });
});

test("CNF-02: addresses in a payload are cut, wherever they stand", () => {
  const payload =
    '{"by":{"ip":"41.82.0.17"},"list":[{"client_ip":"2a01:cb00::17"}],"ip":"unknown"}';
  expect(entryOfAudit(auditEvent(1, { payload }), origin).payload).toEqual({
    by: { ip: "41.82.0.0/24" },
    ip: "unknown",
    list: [{ client_ip: "2a01:cb00::/48" }],
  });
});

test("CNF-02: so they are in a payload that is no JSON", () => {
  const payload = "login from 41.82.0.17, [2a01:cb00::17] and ::1 at 10:30:15, version 1.2.3";
  expect(entryOfAudit(auditEvent(1, { payload }), origin).payload).toEqual({
    unparsed: "login from 41.82.0.0/24, [2a01:cb00::/48] and ::/48 at 10:30:15, version 1.2.3",
  });
});

test("NUL, which PostgreSQL does not take, is left out of ids", () => {
  const odd = auditEvent(1, {
    event_id: "e\0-1",
    actor: { ...actor, user_agent: "a\0b", id: "x\0" },
  });
  expect(entryOfAudit(odd, origin)).toMatchObject({
    eventId: "e-1",
    userAgent: "ab",
    actorId: "x",
  });
});

test("a user agent is cut to what a leaf has room for, between characters; a repetition is known by all of it", () => {
  const agent = (user_agent: string) =>
    entryOfAudit(auditEvent(1, { actor: { ...actor, user_agent } }), origin);
  const long = agent(`${"a".repeat(1_023)}😀${"b".repeat(100_000)}`);
  expect(long.userAgent).toHaveLength(1_024);
  expect(long.userAgent?.isWellFormed()).toBe(true);
  expect(long.identity).not.toBe(agent(`${"a".repeat(1_023)}😀c`).identity);
});

describe("which anomalies are audited", () => {
  const audited = (over: Parameters<typeof anomaly>[1]): AuditEntry | null =>
    entryOfAnomaly(anomaly(1, over), { ...origin, topic: "id.session.anomaly" });

  test("HIGH and CRITICAL that may be acted on", () => {
    expect(audited({})?.action).toBe("anomaly.detected");
    expect(audited({ severity: "CRITICAL" })).not.toBeNull();
    for (const severity of ["LOW", "MEDIUM", "UNKNOWN"] as const) {
      expect(audited({ severity })).toBeNull();
    }
    expect(audited({ mode: "SHADOW" })).toBeNull();
  });

  test("AUD-05: what the sessions find is a security event whatever its severity", () => {
    for (const kind of ["concurrent_sessions", "revoked_session_use"]) {
      expect(audited({ kind, severity: "LOW" })).not.toBeNull();
      expect(audited({ kind, severity: "LOW", mode: "SHADOW" })).toBeNull();
    }
  });

  test("every withdrawal, in which nothing but ids and times counts", () => {
    const withdrawal = audited({ severity: "UNKNOWN", mode: "UNKNOWN", retracts: "a-0" });
    expect(withdrawal?.action).toBe("anomaly.retracted");
  });

  test("the policy is the actor, the rule its name, the user the subject", () => {
    expect(audited({})).toMatchObject({
      eventId: "anomaly:a-1",
      actorType: "POLICY",
      actorId: "impossible_travel",
      subjectUserId: "u-1",
      emitter: "id.session.anomaly.2",
      emitterSeq: 7,
    });
  });

  test("the same anomaly computed again is the same, another one under its id is not", () => {
    const first = audited({});
    expect(audited({ detected_at: 1 })?.identity).toBe(first?.identity);
    expect(audited({ risk_score: 1 })?.identity).not.toBe(first?.identity);
  });
});
