import { hkdfSync } from "node:crypto";
import type { TopicName } from "@vigie/schemas/catalogue";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { sampleAnomaly } from "@vigie/schemas/samples";
import type { AuditEvent, SessionAnomaly, SubjectErasure } from "@vigie/schemas/types";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { SinkRecord } from "@vigie/stream/kafka/sink";
import type { Random } from "./random.ts";
import { createSigners } from "./signer.ts";
import type { auditTopics } from "./sink.ts";

/** 2026-01-05T10:00:00Z */
export const T0 = 1_767_607_200_000;
export const SECRET = "an audit secret of tests, long enough";

/** The same in every run: no secret. */
const fixed: Random = (bytes, purpose) =>
  Buffer.from(hkdfSync("sha256", "seed", "", purpose, bytes));

const master = { keyId: "k1", activeFromMs: 0, secret: fixed(32, "master") };
export const keys = derivedKeys([master], () => T0);
export const signers = createSigners(SECRET);
/** What a store is made with, so that two runs make the same tree. */
export const storeOptions = { keys, signers, clock: () => T0 + 1_000, random: fixed };

export function auditEvent(number: number, over: Partial<AuditEvent> = {}): AuditEvent {
  return {
    event_id: `e-${number}`,
    tenant_id: "molam-sn",
    occurred_at: T0 + number,
    emitter: "edge.1",
    emitter_seq: number,
    action: "session.revoked",
    actor: {
      type: "ADMIN",
      id: "admin-1",
      impersonator_id: null,
      ip: "41.82.0.17",
      user_agent: "Mozilla/5.0",
    },
    subject_user_id: "u-1",
    is_impersonation: false,
    impersonated_user_id: null,
    payload: '{"reason":"admin","session_id":"s-1"}',
    ...over,
  };
}

export const anomaly = (number: number, over: Partial<SessionAnomaly> = {}): SessionAnomaly =>
  sampleAnomaly(T0 + number, { anomaly_id: `a-${number}`, user_id: "u-1", ...over });

type AuditTopic = (typeof auditTopics)[number] & TopicName;
interface Values {
  readonly "id.audit": AuditEvent;
  readonly "id.session.anomaly": SessionAnomaly;
  readonly "id.subject.erasure": SubjectErasure;
}
type Value<T extends AuditTopic> = Values[T];

export const codecs = memoryCodecs();

/** The record of a value, as the sink is handed it. */
export function recordOf<T extends AuditTopic>(
  topic: T,
  value: Value<T> | Buffer | null,
  at: { readonly partition?: number; readonly offset: number },
): SinkRecord {
  const isBytes = value === null || Buffer.isBuffer(value);
  return {
    topic,
    partition: at.partition ?? 0,
    offset: at.offset,
    timestampMs: T0,
    key: "edge.1",
    keyBytes: Buffer.from("edge.1"),
    value: isBytes ? value : codecs.encoder<Value<T>>(topic).encode(value),
    headers: [],
  };
}
