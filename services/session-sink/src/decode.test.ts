import assert from "node:assert/strict";
import { DAY_MS } from "@vigie/core/time";
import type { TopicName } from "@vigie/schemas/catalogue";
import { sampleGeo, sampleHeartbeat, sampleLogin, sampleMfa } from "@vigie/schemas/samples";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import { test } from "vitest";
import { gather } from "./batch.ts";
import { createDecode, type Item } from "./decode.ts";
import {
  ack,
  anomaly,
  audited,
  command,
  commandResult,
  decision,
  epoch,
  erasure,
  policy,
  RecordMaker,
  revoked,
  sessionState,
} from "./testing.ts";

const T = sampleLogin.occurred_at;
const maker = new RecordMaker();
const decode = createDecode(maker.codecs, { maxEventAgeMs: 30 * DAY_MS, maxAheadMs: 300_000 });

async function codeOf(record: SinkRecord): Promise<string> {
  const outcome = await decode({ ...record, timestampMs: T });
  if (outcome.kind === "dlq") return outcome.code;
  return outcome.kind === "drop" ? outcome.reason : outcome.kind;
}

const good: [TopicName, { tenant_id: string; user_id?: string }][] = [
  ["id.login", sampleLogin],
  ["id.heartbeat", sampleHeartbeat],
  ["id.mfa", sampleMfa],
  ["id.geo", sampleGeo],
  ["id.session.state", sessionState(T)],
  ["id.session.anomaly", anomaly(T - 100 * DAY_MS)],
  ["id.session.revoked", revoked(T)],
  ["id.session.command", command(T)],
  ["id.session.command.result", commandResult(T)],
  ["id.session.revocation_ack", ack(T)],
  ["id.session.epoch", epoch(T - 500 * DAY_MS)],
  ["id.session.policy", policy(1, {})],
  ["id.risk.decision", decision(T)],
  ["id.audit", audited(T)],
  ["id.subject.erasure", erasure(T)],
];
test.each(good)("a record of %s is taken", async (topic, value) => {
  assert.equal(await codeOf(maker.record(topic, value)), "ok");
});

test("garbage of every kind is a dead letter with its code", async () => {
  const login = (over: Partial<typeof sampleLogin>) =>
    maker.record("id.login", { ...sampleLogin, ...over });
  const state = (over: Parameters<typeof sessionState>[1]) =>
    maker.record("id.session.state", sessionState(T, over));
  const cases: [string, SinkRecord][] = [
    ["VIG_RECORD_NULL", maker.raw("id.login", {})],
    ["VIG_RECORD_NOT_AVRO", maker.raw("id.login", { value: Buffer.from("hello") })],
    ["VIG_RECORD_KEY_MISMATCH", { ...login({}), key: "molam-sn|other" }],
    ["VIG_EVENT_FIELD_INVALID", login({ session_id: "x".repeat(129) })],
    ["VIG_EVENT_AHEAD", login({ occurred_at: T + 3_600_000 })],
    ["VIG_EVENT_TOO_OLD", login({ occurred_at: T - 31 * DAY_MS })],
    ["unknown_kind", login({ kind: "UNKNOWN" })],
    [
      "VIG_RECORD_KEY_MISMATCH",
      { ...maker.record("id.session.state", sessionState(T)), key: "a|b|c" },
    ],
    ["VIG_RECORD_KEY_MISMATCH", maker.raw("id.session.state", { key: "molam-sn|u-1" })],
    ["VIG_EVENT_FIELD_INVALID", state({ created_at: 9e15 })],
    ["VIG_EVENT_FIELD_INVALID", state({ ended_at: -1 })],
    ["unknown_kind", state({ status: "UNKNOWN" })],
    ["VIG_EVENT_TOO_OLD", maker.record("id.session.anomaly", anomaly(T - 500 * DAY_MS))],
    ["VIG_EVENT_AHEAD", maker.record("id.session.revoked", revoked(T + 2 * DAY_MS))],
    ["VIG_EVENT_AHEAD", maker.record("id.subject.erasure", erasure(T + 6 * 60_000))],
    ["VIG_EVENT_TOO_OLD", maker.record("id.session.revocation_ack", ack(T - 500 * DAY_MS))],
    ["VIG_RECORD_KEY_MISMATCH", { ...maker.record("id.risk.decision", decision(T)), key: "a|b" }],
    ["unknown_kind", maker.record("id.session.command", command(T, { kind: "UNKNOWN" }))],
    ["VIG_EVENT_FIELD_INVALID", maker.record("id.session.epoch", epoch(9e15))],
    ["no_effect", maker.raw("id.session.policy", { key: "molam-sn" })],
    ["VIG_RECORD_NULL", maker.raw("id.subject.erasure", {})],
  ];
  for (const [code, record] of cases) assert.equal(await codeOf(record), code);
});

async function itemsOf(records: readonly SinkRecord[]): Promise<Item<SinkRecord>[]> {
  const items: Item<SinkRecord>[] = [];
  for (const record of records) {
    const outcome = await decode({ ...record, timestampMs: T });
    if (outcome.kind === "ok") items.push(outcome.value);
  }
  return items;
}

const stateRecord = (version: number, over = {}) =>
  maker.record("id.session.state", sessionState(T, { version, ...over }));
const tombstone = () => maker.raw("id.session.state", { key: "molam-sn|u-1|s-1" });

test("of many states of a session the newest version counts", async () => {
  const batch = gather(await itemsOf([stateRecord(1), stateRecord(3), stateRecord(2)]));
  assert.deepEqual(
    [...batch.sessions.values()].map((row) => row.version),
    [3],
  );
  assert.equal(batch.users.size, 1);
  assert.equal(batch.devices.size, 1);
});

test("a session that is forgotten after its state is not written, one that comes after is", async () => {
  const gone = gather(await itemsOf([stateRecord(1), tombstone()]));
  assert.equal(gone.sessions.size, 0);
  assert.equal(gone.forgotten.size, 1);
  const back = gather(await itemsOf([tombstone(), stateRecord(1)]));
  assert.equal(back.sessions.size, 1);
  assert.equal(back.forgotten.size, 1);
});

test("an activity brings stubs of its tenant, user and session; a login success awaits its session", async () => {
  const records = [
    maker.record("id.login", sampleLogin),
    maker.record("id.login", sampleLogin),
    maker.record("id.mfa", sampleMfa),
  ];
  const batch = gather(await itemsOf(records));
  assert.equal(batch.tenants.size, 1);
  assert.equal(batch.users.size, 1);
  assert.deepEqual(
    [...batch.stubs.values()].map((stub) => stub.status),
    ["PENDING", "NONE"],
  );
  assert.deepEqual(
    [...batch.awaited.values()].map(({ id }) => id),
    [sampleLogin.session_id],
  );
  assert.equal(batch.activities.size, 2);
});
