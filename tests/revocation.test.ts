import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type {
  AuditEvent,
  SessionCommand,
  SessionCommandResult,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import { test } from "vitest";
import { ownRecords } from "./support/own-records.ts";
import { TENANT } from "./support/pipeline.ts";
import { values } from "./support/read-model.ts";
import { testPipeline } from "./support/test-pipeline.ts";
import { untilTrue } from "./support/until.ts";

const { pipeline, events } = await testPipeline(["sessions"]);
const { encode } = await ownRecords(pipeline, ["id.session.command"]);

const all = async <
  V extends { readonly user_id?: string; readonly subject_user_id?: string | null },
>(
  topic: Parameters<typeof values>[1],
  userId: string,
): Promise<V[]> =>
  (await values<V>(pipeline, topic)).filter(
    (value): value is Awaited<V> =>
      value !== null && (value.user_id ?? value.subject_user_id) === userId,
  );

const command = (userId: string, over: Partial<SessionCommand> = {}) => ({
  key: `${TENANT}|${userId}`,
  value: encode("id.session.command", {
    command_id: randomUUID(),
    batch_id: null,
    tenant_id: TENANT,
    user_id: userId,
    requested_at: Date.now(),
    kind: "REVOKE_ALL",
    session_id: null,
    device_id: null,
    channel: null,
    keep_session_id: null,
    reason: "user_request",
    actor: { type: "USER", id: userId, impersonator_id: null, ip: null, user_agent: null },
    ...over,
  }),
});

const idsOf = (states: readonly { readonly session_id: string }[]): string[] => [
  ...new Set(states.map(({ session_id }) => session_id)),
];

test("POL-10: of 200 parallel logins of one user with a maximum of 5, never more than 5 are active", async () => {
  const userId = "u-parallel";
  const sends = Array.from({ length: 20 }, (_, send) =>
    pipeline.producer.send(
      "id.login",
      Array.from({ length: 10 }, (_, n) => events.login({ userId, sessionId: `p-${send}-${n}` })),
    ),
  );
  await Promise.all(sends);
  await untilTrue("195 are revoked", async () => {
    return (await all<SessionRevoked>("id.session.revoked", userId)).length >= 195;
  });
  const active = new Set<string>();
  let most = 0;
  for (const { session_id, status } of await all<SessionState>("id.session.state", userId)) {
    if (status === "ACTIVE") active.add(session_id);
    else active.delete(session_id);
    most = Math.max(most, active.size);
  }
  assert.equal(most, 5, "record by record");
  assert.equal(active.size, 5);
  const revoked = await all<SessionRevoked>("id.session.revoked", userId);
  assert.equal(idsOf(revoked).length, 195);
  assert.equal(revoked.length, 195);
});

test("REV-05: the same command sent 50 times has one effect, one result, one audit record", async () => {
  const userId = "u-commanded";
  await pipeline.producer.send("id.login", [
    events.login({ userId, sessionId: "c-1" }),
    events.login({ userId, sessionId: "c-2" }),
  ]);
  await untilTrue("both are active", async () => {
    return (await all<SessionState>("id.session.state", userId)).length === 2;
  });
  const once = command(userId, { keep_session_id: "c-2" });
  await Promise.all(
    Array.from({ length: 50 }, () => pipeline.producer.send("id.session.command", [once])),
  );
  // Another command behind them: when it is answered, all fifty were read.
  const last = randomUUID();
  await pipeline.producer.send("id.session.command", [
    command(userId, { command_id: last, kind: "REVOKE_SESSION", session_id: "c-2" }),
  ]);
  const results = () => all<SessionCommandResult>("id.session.command.result", userId);
  await untilTrue("the last is answered", async () =>
    (await results()).some(({ command_id }) => command_id === last),
  );
  assert.deepEqual(
    (await results()).map(({ revoked_session_ids }) => revoked_session_ids),
    [["c-1"], ["c-2"]],
  );
  assert.deepEqual(
    (await all<SessionRevoked>("id.session.revoked", userId)).map((each) => each.session_id),
    ["c-1", "c-2"],
  );
  const audits = await all<AuditEvent>("id.audit", userId);
  assert.deepEqual(
    audits.map(({ action }) => action),
    ["sessions.revoked", "session.revoked"],
  );
});

test("REV-14: audit numbers of a task have no gap", async () => {
  const audits = (await values<AuditEvent>(pipeline, "id.audit")).filter((each) => each !== null);
  const byEmitter = Map.groupBy(audits, ({ emitter }) => emitter);
  assert.ok(byEmitter.size > 0);
  for (const [emitter, own] of byEmitter) {
    const numbers = own.map(({ emitter_seq }) => emitter_seq).sort((a, b) => a - b);
    assert.deepEqual(
      numbers,
      numbers.map((_, n) => n + 1),
      emitter,
    );
  }
});
