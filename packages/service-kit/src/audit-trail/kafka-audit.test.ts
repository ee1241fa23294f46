import assert from "node:assert/strict";
import { VigError } from "@vigie/core/errors";
import type { Logger } from "@vigie/core/log";
import { silentLogger } from "@vigie/core/log";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import type { AuditEvent } from "@vigie/schemas/types";
import fc from "fast-check";
import type { FastifyRequest } from "fastify";
import { afterEach, expect, test, vi } from "vitest";
import type { Caller } from "../http/jwt.ts";
import { createMetrics } from "../metrics.ts";
import type { EventOutput, OutgoingEvent } from "../output/event-output.ts";
import type { AuditEntry } from "./audit-trail.ts";
import { createKafkaAudit } from "./kafka-audit.ts";

const NOW_MS = 1_767_607_200_000;

const caller = (overrides: Partial<Caller> = {}): Caller => ({
  tenantId: "acme",
  subject: "u-1",
  kind: "user",
  sessionId: "s-1",
  userType: "EXTERNAL",
  orgId: null,
  roles: [],
  scopes: new Set(),
  clientId: null,
  impersonatorId: null,
  limitKey: "acme||u-1",
  ...overrides,
});

const request = (headers: Record<string, string> = {}, url = "/api/id/admin/sessions/revoke") =>
  ({ ip: "203.0.113.7", headers, method: "POST", routeOptions: { url } }) as FastifyRequest;

const entry = (overrides: Partial<AuditEntry> = {}): AuditEntry => ({
  action: "session.revoke_requested",
  caller: caller(),
  request: request({ "user-agent": "console/1" }),
  subjectUserId: "u-9",
  payload: { b: 1, a: "x" },
  ...overrides,
});

/** A broker that takes or refuses what it is told to, by turns; `kept`: what it has. */
function testAudit(takes: (attempt: number) => boolean = () => true, log: Logger = silentLogger) {
  const codecs = memoryCodecs();
  const kept: AuditEvent[] = [];
  const decoder = codecs.decoder<AuditEvent>("id.audit");
  let attempts = 0;
  const publish: EventOutput["publish"] = async ({ topic, key, value }: OutgoingEvent) => {
    attempts += 1;
    if (!takes(attempts)) throw new VigError("VIG_BROKER_AWAY", { why: "it is told to be" });
    const decoded = decoder.decode(value);
    assert(decoded.kind === "ok" && topic === "id.audit" && key === "edge.e-1.boot");
    kept.push(decoded.value);
    return { topic, partition: 0, offset: kept.length, appendedAtMs: NOW_MS + attempts };
  };
  const audit = createKafkaAudit({
    output: { publish },
    codecs,
    emitter: "edge.e-1.boot",
    idDomainOrgs: new Set(["id"]),
    clock: () => NOW_MS,
    log,
    metrics: createMetrics("edge", { processMetrics: false }),
  });
  return { audit, kept, attempts: () => attempts };
}

const numbers = (kept: readonly AuditEvent[]): number[] =>
  [...new Set(kept.map(({ emitter_seq }) => emitter_seq))].sort((a, b) => a - b);

afterEach(() => {
  vi.useRealTimers();
});

test("AUD-03, AUD-04: a record names actor, address, user agent and the action as canonical JSON", async () => {
  const { audit, kept } = testAudit();
  const { recordedAtMs } = await audit.record(entry());
  expect(recordedAtMs).toBe(NOW_MS + 1);
  expect(kept[0]).toMatchObject({
    tenant_id: "acme",
    occurred_at: NOW_MS,
    emitter: "edge.e-1.boot",
    emitter_seq: 1,
    action: "session.revoke_requested",
    actor: { type: "USER", id: "u-1", ip: "203.0.113.7", user_agent: "console/1" },
    subject_user_id: "u-9",
    payload: '{"a":"x","b":1}',
  });
});

test("AUD-11: a user agent that is not given is called unknown", async () => {
  const { audit, kept } = testAudit();
  await audit.record(entry({ request: request() }));
  expect(kept[0]?.actor.user_agent).toBe("unknown");
});

test.each([
  ["a person", {}, {}, "USER"],
  ["an administrator", { scopes: new Set(["id:admin"]) }, {}, "ADMIN"],
  ["a super-admin", { roles: ["super-admin"] }, {}, "ADMIN"],
  ["a subsidiary's administrator", { scopes: new Set(["id:admin"]), orgId: "pay" }, {}, "USER"],
  ["a service", { kind: "service" as const }, {}, "SYSTEM"],
  [
    "an administrator for themselves",
    { scopes: new Set(["id:admin"]) },
    { actorType: "USER" as const },
    "USER",
  ],
])("AUD-03: %s is named for what they are", async (_who, claims, overrides, type) => {
  const { audit, kept } = testAudit();
  await audit.record(entry({ caller: caller(claims), ...overrides }));
  expect(kept[0]?.actor.type).toBe(type);
});

test("AUD-12: a record of somebody impersonating names them and whom they act as", async () => {
  const { audit, kept } = testAudit();
  await audit.record(entry({ caller: caller({ impersonatorId: "admin-1" }) }));
  await audit.record(entry());
  audit.denied({
    caller: caller({ impersonatorId: "admin-1" }),
    request: request(),
    payload: { fault: "VIG_SCOPE_MISSING" },
  });
  audit.denied({ caller: caller(), request: request(), payload: { fault: "VIG_SCOPE_MISSING" } });
  await audit.close();
  const marks = kept.map(({ action, actor, is_impersonation, impersonated_user_id }) => [
    action,
    actor.impersonator_id,
    is_impersonation,
    impersonated_user_id,
  ]);
  assert.deepEqual(marks, [
    ["session.revoke_requested", "admin-1", true, "u-1"],
    ["session.revoke_requested", null, false, null],
    ["access.denied", "admin-1", true, "u-1"],
    ["access.denied", null, false, null],
    ["audit.series_closed", null, false, null],
  ]);
});

test("AUD-12: what a service calls as somebody else is theirs, and the administrator's behind them", async () => {
  const { audit, kept } = testAudit();
  const headers = { "x-impersonation-admin": "admin-1", "x-impersonation-target": "u-2" };
  await audit.record(
    entry({
      caller: caller({ kind: "service", subject: "gateway" }),
      request: { ...request(headers), ips: ["192.0.2.1", "203.0.113.7"] } as FastifyRequest,
    }),
  );
  expect(kept[0]).toMatchObject({
    actor: { type: "USER", id: "u-2", impersonator_id: "admin-1" },
    is_impersonation: true,
    impersonated_user_id: "u-2",
  });
});

test("AUD-12: refusals of what a proxy says are two impersonations are told apart", async () => {
  const { audit, kept } = testAudit();
  for (const [admin, target] of [
    ["admin-1", "u-1"],
    ["admin-1", "u-2"],
    [null, null],
  ] as const) {
    const said = { "x-impersonation-admin": admin, "x-impersonation-target": target };
    const proxied = { ips: ["192.0.2.1", "203.0.113.7"], headers: admin === null ? {} : said };
    audit.denied({
      caller: caller({ kind: "service", subject: "gateway", limitKey: "acme|gateway" }),
      request: { ...request(), ...proxied } as FastifyRequest,
      payload: { fault: "VIG_SCOPE_MISSING" },
    });
  }
  await audit.close();
  const marks = kept.map(({ impersonated_user_id: whom, payload }) => [
    whom,
    JSON.parse(payload).count,
  ]);
  expect(marks.slice(0, 3)).toEqual([
    ["u-1", 1],
    ["u-2", 1],
    [null, 1],
  ]);
});

test("AUD-07: a deed that another service tells of keeps its own actor and time", async () => {
  const { audit, kept } = testAudit();
  const actor = {
    type: "SYSTEM",
    id: "impersonations",
    impersonator_id: "admin-1",
    ip: null,
    user_agent: "unknown",
  } as const;
  const reported = { actor, impersonatedId: "u-9", occurredAtMs: NOW_MS - 5_000 };
  await audit.record(entry({ action: "impersonation_expired", reported }));
  expect(kept[0]).toMatchObject({
    occurred_at: NOW_MS - 5_000,
    actor,
    is_impersonation: true,
    impersonated_user_id: "u-9",
    subject_user_id: "u-9",
  });
});

test("a series that was opened is closed, also without a deed between", async () => {
  const { audit, kept } = testAudit();
  audit.open();
  await audit.close();
  expect(kept.map(({ action, emitter_seq }) => [action, emitter_seq])).toEqual([
    ["audit.series_opened", 1],
    ["audit.series_closed", 2],
  ]);
  expect(kept.every(({ tenant_id }) => tenant_id === "platform")).toBe(true);
});

test("a series says four times a day that it goes on, until it is closed", async () => {
  vi.useFakeTimers();
  const { audit, kept } = testAudit();
  audit.open();
  await vi.advanceTimersByTimeAsync(24 * 3_600_000);
  await audit.close();
  await vi.advanceTimersByTimeAsync(24 * 3_600_000);
  const [continued, closed] = ["audit.series_continued", "audit.series_closed"];
  expect(kept.map(({ action }) => action)).toEqual([
    "audit.series_opened",
    ...[continued, continued, continued, continued],
    closed,
  ]);
  expect(JSON.parse(kept[1]?.payload ?? "")).toEqual({ emitter: "edge.e-1.boot" });
});

test("what a service does by itself is on record without a person", async () => {
  const { audit, kept } = testAudit();
  const payload = { erasure_id: "x-1" };
  await audit.recordOwn({ action: "privacy.erasure_done", tenantId: "acme", payload });
  expect(kept[0]).toMatchObject({
    tenant_id: "acme",
    actor: { type: "SYSTEM", id: "edge.e-1.boot", ip: null, user_agent: null },
    subject_user_id: null,
    payload: '{"erasure_id":"x-1"}',
  });
});

test("a record that the broker did not take fails its call, and is written later under its number", async () => {
  vi.useFakeTimers();
  const { audit, kept } = testAudit((attempt) => attempt > 2);
  await expect(audit.record(entry())).rejects.toMatchObject({ code: "VIG_AUDIT_WRITE_FAILED" });
  await vi.advanceTimersByTimeAsync(10_000);
  expect(kept).toHaveLength(1);
  await audit.record(entry());
  expect(numbers(kept)).toEqual([1, 2]);
});

test("AUD-06: a failed write is logged at the highest level, without what it holds", async () => {
  const told: object[] = [];
  const log = { ...silentLogger, fatal: (fields: object) => void told.push(fields) };
  const { audit } = testAudit((attempt) => attempt > 1, log);
  await assert.rejects(audit.record(entry()));
  expect(told).toMatchObject([{ code: "VIG_AUDIT_WRITE_FAILED", waiting: 1 }]);
  expect(JSON.stringify(told)).not.toContain("u-9");
  await audit.close();
});

test("AUD-06: what is refused unqueued is logged at the highest level, too", async () => {
  const told: object[] = [];
  const log = { ...silentLogger, fatal: (fields: object) => void told.push(fields) };
  const { audit } = testAudit(undefined, log);
  await audit.close();
  await assert.rejects(audit.record(entry()));
  expect(told).toMatchObject([{ code: "VIG_AUDIT_WRITE_FAILED", why: "the service is stopping" }]);
});

test("whatever the broker refuses when, the numbers have no hole and the last record closes them", async () => {
  vi.useFakeTimers();
  const plan = fc.array(fc.boolean(), { maxLength: 12 });
  // A stop waits for so many refusals, and not for ever.
  const closingPlan = fc.array(fc.boolean(), { maxLength: 3 });
  const counts = fc.integer({ min: 1, max: 8 });
  await fc.assert(
    fc.asyncProperty(plan, closingPlan, counts, async (takes, closingTakes, count) => {
      let attemptsBefore = Number.POSITIVE_INFINITY;
      let attempts = 0;
      const { audit, kept } = testAudit((attempt) => {
        attempts = attempt;
        const isClosing = attempt > attemptsBefore;
        const answer = isClosing ? closingTakes[attempt - attemptsBefore - 1] : takes[attempt - 1];
        return answer ?? true;
      });
      const calls = Array.from({ length: count }, () => audit.record(entry()).catch(() => null));
      await vi.advanceTimersByTimeAsync(30_000);
      await Promise.all(calls);
      attemptsBefore = attempts;
      const closing = audit.close();
      await vi.advanceTimersByTimeAsync(30_000);
      await closing;
      expect(numbers(kept)).toEqual(Array.from({ length: count + 1 }, (_, index) => index + 1));
      const last = kept.find(({ emitter_seq }) => emitter_seq === count + 1);
      expect(last?.action).toBe("audit.series_closed");
      expect(JSON.parse(last?.payload ?? "")).toMatchObject({ records: count + 1 });
    }),
    { numRuns: 50 },
  );
});

test("refused attempts of one client become one record a minute", async () => {
  vi.useFakeTimers();
  const { audit, kept } = testAudit();
  const refused = (payload = { fault: "VIG_ID_DOMAIN_ONLY" }) =>
    audit.denied({ caller: caller(), request: request(), payload });
  for (let i = 0; i < 100; i += 1) refused();
  audit.denied({
    caller: caller({ subject: "u-2", limitKey: "acme||u-2" }),
    request: request(),
    payload: { fault: "VIG_SCOPE_MISSING" },
  });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kept.map(({ actor }) => actor.id)).toEqual(["u-1", "u-2"]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(kept).toHaveLength(3);
  expect(JSON.parse(kept[2]?.payload ?? "")).toMatchObject({
    count: 99,
    attempts: { "POST /api/id/admin/sessions/revoke VIG_ID_DOMAIN_ONLY": 99 },
  });
  await vi.advanceTimersByTimeAsync(600_000);
  expect(kept).toHaveLength(3);
  refused();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(kept).toHaveLength(4);
  expect(kept.every(({ action }) => action === "access.denied")).toBe(true);
});

test("what was gathered is written at a stop, and nothing is taken after", async () => {
  const { audit, kept } = testAudit();
  const attempt = { caller: caller(), request: request(), payload: { fault: "VIG_PERSON_ONLY" } };
  audit.denied(attempt);
  audit.denied(attempt);
  await audit.close();
  expect(kept.map(({ action }) => action)).toEqual([
    "access.denied",
    "access.denied",
    "audit.series_closed",
  ]);
  await expect(audit.record(entry())).rejects.toMatchObject({ code: "VIG_AUDIT_WRITE_FAILED" });
});

test("a payload that no record takes is refused before it gets a number", async () => {
  const { audit, kept } = testAudit();
  const payload = { text: "x".repeat(70_000) };
  await expect(audit.record(entry({ payload }))).rejects.toMatchObject({
    code: "VIG_RECORD_TOO_LARGE",
  });
  await audit.record(entry());
  expect(kept[0]?.emitter_seq).toBe(1);
});

test.each([
  ["a user that none can be", { subjectUserId: "a|b" }, "subject_user_id"],
  ["an action that is too long", { action: `app.${"x".repeat(125)}` as const }, "action"],
  [
    "a user as whom nobody can act",
    { reported: { ...reportOf("u|1"), occurredAtMs: NOW_MS } },
    "impersonated_user_id",
  ],
])(
  "AUD-01: %s is refused before it gets a number: the audit would not take it",
  async (_what, overrides, path) => {
    const { audit, kept } = testAudit();
    await expect(audit.record(entry(overrides))).rejects.toMatchObject({
      code: "VIG_EVENT_FIELD_INVALID",
      details: { path },
    });
    await audit.record(entry());
    expect(numbers(kept)).toEqual([1]);
  },
);

function reportOf(impersonatedId: string) {
  const actor = {
    type: "USER",
    id: impersonatedId,
    impersonator_id: "admin-1",
    ip: null,
    user_agent: "unknown",
  } as const;
  return { actor, impersonatedId };
}
