import { VigError } from "@vigie/core/errors";
import { type Logger, silentLogger } from "@vigie/core/log";
import type { UnusableRecord } from "@vigie/stream/kafka/sink";
import { nextOf } from "@vigie/testkit/sink-records";
import { expect, test } from "vitest";
import { ownEntry } from "./entry.ts";
import type { AuditItem, Erasure } from "./items.ts";
import { auditTopics, createAuditSink } from "./sink.ts";
import type { AuditStore } from "./store.ts";
import { anomaly, auditEvent, codecs, recordOf, T0 } from "./testing.ts";

/** A sink over a store that only notes what it is given. */
function sinkOver(fails?: Error) {
  const steps: string[] = [];
  const items: AuditItem[] = [];
  const dead: UnusableRecord[] = [];
  const fatal: object[] = [];
  const skipped: number[] = [];
  const conflicts: AuditItem["entry"][] = [];
  const gaps: AuditItem["entry"][] = [];
  const erasures: Erasure[] = [];
  const errors: object[] = [];
  const log: Logger = {
    ...silentLogger,
    fatal: (fields) => void fatal.push(fields),
    error: (fields) => void errors.push(fields),
  };
  const store: AuditStore = {
    positions: async (partitions) => partitions.map((each) => ({ ...each, offset: 5 })),
    async write(batch) {
      steps.push("write");
      if (fails !== undefined) throw fails;
      items.push(...batch.items);
      erasures.push(...(batch.erasures ?? []));
      const { length } = batch.items;
      return { appended: length, repeated: 0, conflicts, gaps, size: length };
    },
    forget: () => undefined,
  };
  const open = createAuditSink({
    store,
    codecs,
    log,
    observe: (done) => {
      steps.push("observe");
      skipped.push(done.skipped);
    },
  });
  const sink = open({
    async deadLetter(records) {
      steps.push("deadLetter");
      dead.push(...records);
    },
    partitionCount: () => 6,
  });
  return { sink, steps, items, erasures, dead, fatal, errors, skipped, conflicts, gaps };
}

test("every audit event and every grave anomaly is written, in order", async () => {
  const { sink, items, skipped } = sinkOver();
  const batch = [
    recordOf("id.audit", auditEvent(1), { offset: 0 }),
    recordOf("id.session.anomaly", anomaly(1), { offset: 0 }),
    recordOf("id.session.anomaly", anomaly(2, { severity: "LOW" }), { offset: 1 }),
    recordOf("id.audit", auditEvent(2), { offset: 1 }),
  ];
  await sink.write(batch, nextOf(batch));
  expect(items.map(({ entry }) => entry.eventId)).toEqual(["e-1", "anomaly:a-1", "e-2"]);
  expect(skipped).toEqual([1]);
});

test("what cannot be used is a dead letter before anything is written", async () => {
  const { sink, steps, dead, items } = sinkOver();
  const batch = [
    recordOf("id.audit", Buffer.from("garbage"), { offset: 0 }),
    recordOf("id.audit", null, { offset: 1 }),
    recordOf("id.audit", auditEvent(1, { event_id: "x".repeat(60_000) }), { offset: 2 }),
    recordOf("id.audit", auditEvent(1, { tenant_id: "a/b" }), { offset: 3 }),
    // The number behind it is none that everybody reads alike.
    recordOf("id.audit", auditEvent(1, { emitter_seq: Number.MAX_SAFE_INTEGER }), { offset: 4 }),
    recordOf("id.audit", auditEvent(1, { emitter_seq: -1 }), { offset: 5 }),
    recordOf("id.audit", auditEvent(2), { offset: 6 }),
  ];
  await sink.write(batch, nextOf(batch));
  expect(dead.map(({ code }) => code)).toEqual([
    "VIG_RECORD_NOT_AVRO",
    "VIG_RECORD_NULL",
    ...Array(4).fill("VIG_EVENT_FIELD_INVALID"),
  ]);
  expect(items).toHaveLength(1);
  expect(steps).toEqual(["deadLetter", "write", "observe"]);
});

test("AUD-06: a write that fails is logged at the highest level, and nothing is counted", async () => {
  const { sink, steps, fatal } = sinkOver(new VigError("VIG_DATABASE_AWAY", { why: "gone" }));
  const batch = [recordOf("id.audit", auditEvent(1), { offset: 0 })];
  await expect(sink.write(batch, nextOf(batch))).rejects.toThrow("VIG_AUDIT_WRITE_FAILED");
  expect(fatal).toMatchObject([{ code: "VIG_AUDIT_WRITE_FAILED" }]);
  expect(steps).toEqual(["write"]);
});

test("two events under one id raise an alarm", async () => {
  const { sink, fatal, items, conflicts } = sinkOver();
  const batch = [recordOf("id.audit", auditEvent(1), { offset: 3 })];
  await sink.write(batch, nextOf(batch));
  conflicts.push((items[0] as AuditItem).entry);
  await sink.write(batch, nextOf(batch));
  expect(fatal).toEqual([
    {
      code: "VIG_AUDIT_CONFLICT",
      eventId: "e-1",
      tenantKey: "molam-sn",
      topic: "id.audit",
      partition: 0,
      offset: 3,
    },
  ]);
});

test("reading goes on where the store says", async () => {
  const inputs = auditTopics.map((topic) => ({ topic, partition: 1 }));
  expect(await sinkOver().sink.assigned(inputs)).toEqual(
    inputs.map((input) => ({ ...input, offset: 5 })),
  );
});

test("PRV-14: a request for erasure is handed on with the broker's time of it", async () => {
  const { sink, erasures, items } = sinkOver();
  const request = {
    erasure_id: "er-1",
    tenant_id: "molam-sn",
    user_id: "u-1",
    requested_at: T0 - 5,
    actor: { type: "USER" as const, id: "u-1", impersonator_id: null },
  };
  const batch = [recordOf("id.subject.erasure", request, { offset: 4 })];
  await sink.write(batch, nextOf(batch));
  expect(items).toEqual([]);
  expect(erasures).toMatchObject([
    { request, origin: { topic: "id.subject.erasure", offset: 4, timestampMs: T0 } },
  ]);
});

test("a gap is told of as an error, with whose it is and which numbers", async () => {
  const { sink, errors, gaps } = sinkOver();
  const payload = { emitter: "edge.1", from: 3, to: 4 };
  const origin = { topic: "id.audit", partition: 0, offset: 9, timestampMs: T0 };
  const what = { eventId: "g", tenantKey: "platform", occurredAtMs: T0, payload };
  gaps.push(ownEntry({ ...what, action: "audit.gap_detected" }, origin));
  await sink.write([], []);
  expect(errors).toEqual([{ code: "VIG_AUDIT_GAP", ...payload }]);
});
