import type { AuditEvent, SubjectErasure } from "@vigie/schemas/types";
import type { NextOffset } from "@vigie/service-kit/postgres/sink-offsets";
import { entryOfAudit } from "../entry.ts";
import type { AuditItem, Erasure } from "../items.ts";
import type { AuditBatch } from "../store.ts";
import { auditEvent, T0 } from "../testing.ts";

/** Of two batches one fills a tile or more. */
export const BATCH_RECORDS = 150;
/** No pause, so that from the seventh on each batch gives up what is missed of an earlier one. */
const BATCH_MS = 50_000;
/** Batches after which a person is erased who was in one, and after which one more record of them comes. */
const ERASED_AFTER = 2;
const LATE_AFTER = 3;
const USERS = 20;
/** More than a leaf holds. */
const LARGE = JSON.stringify({ text: "x".repeat(70_000) });

const TOPICS = ["id.audit", "id.subject.erasure"] as const;
export const PARTITIONS = TOPICS.map((topic) => ({ topic, partition: 0 }));

/** What the clock says while a batch is written. */
export const nowMsOf = (batch: number): number => T0 + (batch + 1) * BATCH_MS;

/** How far a batch reads: so many records of the one topic, one of the other. */
export const nextOf = (batch: number): readonly NextOffset[] => [
  { ...pick(0), from: batch * BATCH_RECORDS, offset: (batch + 1) * BATCH_RECORDS },
  { ...pick(1), from: batch, offset: batch + 1 },
];

const pick = (i: number) => PARTITIONS[i] as (typeof PARTITIONS)[number];

/** The same records in every run: of all kinds that the log treats in its own way. */
export function batchOf(batch: number): AuditBatch {
  const first = batch * BATCH_RECORDS;
  const items = Array.from({ length: BATCH_RECORDS }, (_, i) => itemAt(first + i, batch, i));
  return { items, erasures: batch < ERASED_AFTER ? [] : [erasureAt(batch)] };
}

function itemAt(offset: number, batch: number, place: number): AuditItem {
  const timestampMs = nowMsOf(batch - 1) + place;
  const origin = { topic: "id.audit", partition: 0, offset, timestampMs };
  const event = eventAt(offset, batch, place);
  return { entry: entryOfAudit(event, origin), value: Buffer.from(JSON.stringify(event)) };
}

function eventAt(offset: number, batch: number, place: number): AuditEvent {
  const occurred_at = nowMsOf(batch - 1) + place;
  const plain = auditEvent(offset, {
    occurred_at,
    emitter: `sessions.${offset % 2}`,
    emitter_seq: Math.floor(offset / 2) + 1,
    subject_user_id: `u-${offset % USERS}`,
    tenant_id: offset % 5 === 0 ? "globex" : "molam-sn",
  });
  switch (place) {
    case 20: // again
      return eventAt(offset - 20, batch, 0);
    case 21: // again, out of the batch before
      return batch === 0 ? plain : eventAt(offset - 20 - BATCH_RECORDS, batch - 1, 1);
    case 30: // another one under the same id
      return { ...eventAt(offset - 1, batch, 29), action: "session.extended" };
    case 40:
      return { ...plain, payload: LARGE };
    case 50:
      return { ...plain, ...of(goneIn(batch)) };
    case 60: // of before its person was erased
      return batch < LATE_AFTER
        ? plain
        : { ...plain, ...of(goneIn(batch - LATE_AFTER)), occurred_at: occurred_at - 3 * BATCH_MS };
    case 65: // the first one of a tenant
      return { ...plain, tenant_id: `new-${batch}` };
    case 70: // about nobody
      return { ...plain, action: "policy.updated", subject_user_id: null };
    default:
      return plain;
  }
}

const goneIn = (batch: number): string => `gone-${batch}`;
const of = (user: string) => ({ subject_user_id: user, tenant_id: "molam-sn" });

function erasureAt(batch: number): Erasure {
  const requested_at = nowMsOf(batch - 1);
  const request: SubjectErasure = {
    erasure_id: `00000000-0000-4000-8000-${String(batch).padStart(12, "0")}`,
    tenant_id: "molam-sn",
    user_id: goneIn(batch - ERASED_AFTER),
    requested_at,
    actor: { type: "SYSTEM", id: "test", impersonator_id: null },
  };
  const origin = { topic: "id.subject.erasure", partition: 0, offset: batch };
  return { request, origin: { ...origin, timestampMs: requested_at } };
}
