import { VigError } from "@vigie/core/errors";
import { type Logger, silentLogger } from "@vigie/core/log";
import type { UnusableRecord } from "@vigie/stream/kafka/sink";
import { nextOf } from "@vigie/testkit/sink-records";
import { expect, test } from "vitest";
import { auditTopics, createAuditSink } from "./sink.ts";
import type { AuditItem, AuditStore } from "./store.ts";
import { anomaly, auditEvent, codecs, recordOf } from "./testing.ts";

/** A sink over a store that only notes what it is given. */
function sinkOver(fails?: Error) {
  const steps: string[] = [];
  const items: AuditItem[] = [];
  const dead: UnusableRecord[] = [];
  const fatal: object[] = [];
  const skipped: number[] = [];
  const conflicts: AuditItem["entry"][] = [];
  const log: Logger = { ...silentLogger, fatal: (fields) => void fatal.push(fields) };
  const store: AuditStore = {
    positions: async (partitions) => partitions.map((each) => ({ ...each, offset: 5 })),
    async write(given) {
      steps.push("write");
      if (fails !== undefined) throw fails;
      items.push(...given);
      return { appended: given.length, repeated: 0, conflicts, headIndex: given.length };
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
  return { sink, steps, items, dead, fatal, skipped, conflicts };
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
    recordOf("id.audit", auditEvent(2), { offset: 4 }),
  ];
  await sink.write(batch, nextOf(batch));
  expect(dead.map(({ code }) => code)).toEqual([
    "VIG_RECORD_NOT_AVRO",
    "VIG_RECORD_NULL",
    "VIG_EVENT_FIELD_INVALID",
    "VIG_EVENT_FIELD_INVALID",
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
