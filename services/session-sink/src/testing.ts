import { userKey } from "@vigie/core/keys";
import type { TopicName } from "@vigie/schemas/catalogue";
import { type MemoryCodecs, memoryCodecs } from "@vigie/schemas/memory-codecs";
import { sampleAnomaly, sampleRevocation, sampleState } from "@vigie/schemas/samples";
import type {
  AuditEvent,
  RevocationAck,
  RiskDecision,
  SessionAnomaly,
  SessionCommand,
  SessionCommandResult,
  SessionEpoch,
  SessionPolicy,
  SessionRevoked,
  SessionState,
  SubjectErasure,
} from "@vigie/schemas/types";
import type { SinkRecord } from "@vigie/stream/kafka/sink";

const subject = { tenant_id: "molam-sn", user_id: "u-1" } as const;

export const sessionState = (atMs: number, over: Partial<SessionState> = {}): SessionState =>
  sampleState(atMs, { ...subject, upstream_session_ref: "ak-1", ...over });

export const anomaly = (atMs: number, over: Partial<SessionAnomaly> = {}): SessionAnomaly =>
  sampleAnomaly(atMs, { ...subject, evidence: { speed_kmh: "8400", to_country: "FR" }, ...over });

export const revoked = (atMs: number, over: Partial<SessionRevoked> = {}): SessionRevoked =>
  sampleRevocation(atMs, {
    ...subject,
    reason: "user_request",
    actor: { type: "USER", id: subject.user_id, impersonator_id: null },
    ...over,
  });

const actor = { type: "ADMIN", id: "admin-1", impersonator_id: null } as const;

export function command(atMs: number, over: Partial<SessionCommand> = {}): SessionCommand {
  return {
    command_id: "c-1",
    batch_id: "b-1",
    ...subject,
    requested_at: atMs,
    kind: "REVOKE_SESSION",
    session_id: "s-1",
    device_id: null,
    channel: null,
    keep_session_id: null,
    reason: "admin",
    actor: { ...actor, ip: "41.82.17.9", user_agent: "Mozilla/5.0" },
    ...over,
  };
}

export function commandResult(
  atMs: number,
  over: Partial<SessionCommandResult> = {},
): SessionCommandResult {
  return {
    command_id: "c-1",
    batch_id: "b-1",
    ...subject,
    revoked_session_ids: ["s-1"],
    already_ended: 2,
    decided_at: atMs,
    ...over,
  };
}

export const ack = (atMs: number, over: Partial<RevocationAck> = {}): RevocationAck => ({
  revocation_id: "r-1",
  tenant_id: subject.tenant_id,
  enforcement_point: "pay",
  acted_at: atMs,
  ...over,
});

export const decision = (atMs: number, over: Partial<RiskDecision> = {}): RiskDecision => ({
  decision_id: "d-1",
  ...subject,
  session_id: "s-1",
  anomaly_id: "a-1",
  action: "REVOKE",
  decided_at: atMs,
  reason: "fraud",
  ...over,
});

export const epoch = (atMs: number, over: Partial<SessionEpoch> = {}): SessionEpoch => ({
  epoch_id: "e-1",
  tenant_id: subject.tenant_id,
  scope: "ROLE",
  value: "agent",
  not_before: atMs,
  reason: "leak",
  actor,
  ...over,
});

export const policy = (
  version: number,
  document: object,
  tenantId = "molam-sn",
): SessionPolicy => ({
  tenant_id: tenantId,
  version,
  updated_at: 1_767_607_200_000,
  actor,
  document: JSON.stringify(document),
});

export const audited = (atMs: number, over: Partial<AuditEvent> = {}): AuditEvent => ({
  event_id: "x-1",
  tenant_id: subject.tenant_id,
  occurred_at: atMs,
  emitter: "edge.1.1",
  emitter_seq: 1,
  action: "access.denied",
  actor: { ...actor, ip: "41.82.17.9", user_agent: "Mozilla/5.0" },
  subject_user_id: null,
  is_impersonation: false,
  impersonated_user_id: null,
  payload: JSON.stringify({ route: "/api/id/admin/sessions/revoke", ip: "41.82.17.9", count: 3 }),
  ...over,
});

export const erasure = (atMs: number, over: Partial<SubjectErasure> = {}): SubjectErasure => ({
  erasure_id: "x-1",
  ...subject,
  requested_at: atMs,
  actor: { type: "USER", id: "u-1", impersonator_id: null },
  ...over,
});

interface Keyed {
  readonly tenant_id: string;
  /** Without one the key is the tenant's: good enough where no key is judged. */
  readonly user_id?: string;
  readonly session_id?: string | null;
}

/** Records as they come from Kafka, numbered by topic from offset 0 in one partition. */
export class RecordMaker {
  readonly codecs: MemoryCodecs = memoryCodecs();
  private readonly offsets = new Map<string, number>();

  record<V extends Keyed>(topic: TopicName, value: V, over: Partial<SinkRecord> = {}): SinkRecord {
    const user = userKey(value.tenant_id, value.user_id ?? "");
    const key = topic === "id.session.state" ? `${user}|${value.session_id}` : user;
    const encoder = this.codecs.encoder<V>(topic);
    return this.raw(topic, { key, value: encoder.encode(value), ...over });
  }

  raw(topic: string, over: Partial<SinkRecord>): SinkRecord {
    const offset = this.offsets.get(topic) ?? 0;
    this.offsets.set(topic, offset + 1);
    const { key = "molam-sn|u-1" } = over;
    const timestampMs = Date.now();
    const made = { topic, partition: 0, offset, timestampMs, headers: [], value: null };
    return { ...made, key, keyBytes: Buffer.from(key), ...over };
  }
}
