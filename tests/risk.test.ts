import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { sampleAnomaly, sampleLogin } from "@vigie/schemas/samples";
import type {
  AuditEvent,
  LoginEvent,
  RiskDecision,
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { test } from "vitest";
import { ownRecords } from "./support/own-records.ts";
import { TENANT } from "./support/pipeline.ts";
import { values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { untilTrue } from "./support/until.ts";

/** What anomalies, SIRA and epochs do to sessions, on the real broker. */

const { pipeline } = await testPipeline(["sessions"]);
const { encode, send } = await ownRecords(pipeline, [
  "id.login",
  "id.session.anomaly",
  "id.risk.decision",
  "id.session.epoch",
]);

const find = (userId: string, over: Partial<SessionAnomaly> = {}) =>
  send(
    "id.session.anomaly",
    sampleAnomaly(Date.now(), {
      anomaly_id: randomUUID(),
      tenant_id: TENANT,
      user_id: userId,
      session_id: `s-${userId}`,
      ...over,
    }),
  );

const rule = (userId: string, over: Partial<RiskDecision> = {}) =>
  send("id.risk.decision", {
    decision_id: randomUUID(),
    tenant_id: TENANT,
    user_id: userId,
    session_id: null,
    anomaly_id: null,
    action: "LOG_ONLY",
    decided_at: Date.now(),
    reason: "analyst",
    ...over,
  } satisfies RiskDecision);

const revocations = async (): Promise<SessionRevoked[]> =>
  (await values<SessionRevoked>(pipeline, "id.session.revoked")).filter((each) => each !== null);

const lastState = async (userId: string): Promise<SessionState | undefined> =>
  (await values<SessionState>(pipeline, "id.session.state"))
    .filter((each) => each?.user_id === userId)
    .at(-1) ?? undefined;

const loginOf = (userId: string, orgId: string): Buffer =>
  encode("id.login", {
    ...sampleLogin,
    event_id: randomUUID(),
    tenant_id: TENANT,
    user_id: userId,
    session_id: `s-${userId}`,
    org_id: orgId,
    occurred_at: Date.now(),
  } satisfies LoginEvent);

const signIn = (userIds: readonly string[], orgId: string) =>
  pipeline.producer.send(
    "id.login",
    userIds.map((userId) => ({ key: `${TENANT}|${userId}`, value: loginOf(userId, orgId) })),
  );

test("ANO-12, ANO-13: an anomaly asks for a second factor, SIRA lets go; another one revokes", async () => {
  await signIn(["u-asked", "u-ended"], "none");
  await untilTrue("both are active", async () => {
    const states = await Promise.all(["u-asked", "u-ended"].map(lastState));
    return states.every((state) => state?.status === "ACTIVE");
  });
  await find("u-asked");
  await untilTrue("a second factor is asked for", async () => {
    const state = await lastState("u-asked");
    return state?.step_up_required_at !== null && state?.risk_score === 95;
  });
  await rule("u-asked");
  await untilTrue("it is not asked for any more", async () => {
    return (await lastState("u-asked"))?.step_up_required_at === null;
  });
  const anomalyId = randomUUID();
  await find("u-ended", { anomaly_id: anomalyId, action: "REVOKE" });
  await untilTrue("the session is revoked", async () => {
    const own = (await revocations()).filter(({ user_id }) => user_id === "u-ended");
    return own.length === 1 && own[0]?.anomaly_id === anomalyId;
  });
});

test("REV-03: an epoch reaches every idle session, once, though the service is killed on the way", async () => {
  const userIds = Array.from({ length: 2_000 }, (_, n) => `u-org-${n}`);
  await signIn(userIds, "pay");
  await signIn(["u-other"], "eats");
  const active = async () => (await values<SessionState>(pipeline, "id.session.state")).length;
  await untilTrue("all are active", async () => (await active()) >= userIds.length + 3);
  const epoch: SessionEpoch = {
    epoch_id: randomUUID(),
    tenant_id: TENANT,
    scope: "ORG",
    value: "pay",
    not_before: Date.now(),
    reason: "breach",
    actor: { type: "ADMIN", id: "a-1", impersonator_id: null },
  };
  const byEpoch = async () =>
    (await revocations()).filter(({ epoch_id }) => epoch_id === epoch.epoch_id);
  const record = { key: `${TENANT}|ORG|pay`, value: encode("id.session.epoch", epoch) };
  await pipeline.producer.send("id.session.epoch", [record]);
  const sessions = pipeline.service("sessions");
  await untilTrue("the first are revoked", async () => (await byEpoch()).length > 0);
  await sessions.kill();
  await sessions.start();
  await untilTrue("all are revoked", async () => (await byEpoch()).length >= userIds.length);
  const revoked = await byEpoch();
  assert.deepEqual(
    revoked.map(({ user_id }) => user_id).sort(),
    [...userIds].sort(),
    "each of them once, and nobody else",
  );
});

test("REV-14: what was revoked is on record in numbers without a gap", async () => {
  const audits = (await values<AuditEvent>(pipeline, "id.audit")).filter((each) => each !== null);
  for (const own of Map.groupBy(audits, ({ emitter }) => emitter).values()) {
    const numbers = own.map(({ emitter_seq }) => emitter_seq).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, at) => at + 1),
    );
  }
  assert.equal(audits.length, (await revocations()).length);
});
