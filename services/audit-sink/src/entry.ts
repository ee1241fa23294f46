import { canonicalJson } from "@vigie/core/canonical-json";
import { USER_AGENT_MAX_LENGTH } from "@vigie/schemas/constraints";
import { isSecurityEvent } from "@vigie/schemas/security-events";
import type { AuditEvent, SessionAnomaly } from "@vigie/schemas/types";
import { redactAddresses, redactText } from "./redact.ts";

/** Where a record lay, and when the broker took it. */
export interface Origin {
  /** Catalogue name. */
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** By the broker's clock, ms since the epoch. */
  readonly timestampMs: number;
}

/** One action to be appended, before it has its place in the log. Times in ms since the epoch. */
export interface AuditEntry {
  readonly eventId: string;
  readonly tenantKey: string;
  readonly occurredAtMs: number;
  readonly origin: Origin;
  readonly emitter: string;
  readonly emitterSeq: number;
  readonly action: string;
  readonly actorType: string;
  readonly actorId: string;
  readonly impersonatorId: string | null;
  readonly subjectUserId: string | null;
  readonly isImpersonation: boolean;
  readonly impersonatedUserId: string | null;
  /** In clear, for sealing only. */
  readonly ip: string | null;
  readonly userAgent: string | null;
  /** JSON without clear addresses. */
  readonly payload: unknown;
  /** All that the event says, by which a repetition is known. */
  readonly identity: string;
}

/** AUD-01, AUD-03, AUD-04. */
export function entryOfAudit(event: AuditEvent, origin: Origin): AuditEntry {
  const { actor } = event;
  return {
    eventId: eventIdOf(event),
    tenantKey: clean(event.tenant_id),
    occurredAtMs: event.occurred_at,
    origin: placeOf(origin),
    emitter: emitterOf(event),
    emitterSeq: event.emitter_seq,
    action: clean(event.action),
    actorType: actor.type,
    actorId: clean(actor.id),
    impersonatorId: cleanOrNull(actor.impersonator_id),
    subjectUserId: cleanOrNull(event.subject_user_id),
    isImpersonation: event.is_impersonation,
    impersonatedUserId: cleanOrNull(event.impersonated_user_id),
    ip: actor.ip,
    userAgent: cutOrNull(actor.user_agent),
    payload: payloadOf(event.payload),
    identity: identityOf(event),
  };
}

/** Members by name and in one order: what a newer contract adds makes no other event of one that comes again. */
function identityOf(event: AuditEvent): string {
  const { actor } = event;
  return JSON.stringify([
    event.event_id,
    event.tenant_id,
    event.occurred_at,
    event.emitter,
    event.emitter_seq,
    event.action,
    actor.type,
    actor.id,
    actor.impersonator_id,
    actor.ip,
    actor.user_agent,
    event.subject_user_id,
    event.is_impersonation,
    event.impersonated_user_id,
    event.payload,
  ]);
}

/**
 * AUD-05: the entry of an anomaly in ENFORCE that is a security event, or of a withdrawal; null for the others.
 * `detected_at` is left out of its identity: the same anomaly computed again, in a replay, is the same.
 */
export function entryOfAnomaly(anomaly: SessionAnomaly, origin: Origin): AuditEntry | null {
  const retracts = anomaly.retracts !== null;
  if (!retracts && !(anomaly.mode === "ENFORCE" && isSecurityEvent(anomaly))) return null;
  return {
    // Ids of anomalies and of audit events are made apart, and must not meet.
    eventId: clean(`${ANOMALY}:${anomaly.anomaly_id}`),
    tenantKey: clean(anomaly.tenant_id),
    occurredAtMs: anomaly.occurred_at,
    origin: placeOf(origin),
    emitter: `${origin.topic}.${origin.partition}`,
    emitterSeq: origin.offset,
    action: retracts ? "anomaly.retracted" : "anomaly.detected",
    actorType: "POLICY",
    actorId: clean(anomaly.kind),
    impersonatorId: null,
    subjectUserId: clean(anomaly.user_id),
    isImpersonation: false,
    impersonatedUserId: null,
    ip: null,
    userAgent: null,
    payload: redactAddresses(anomaly),
    identity: canonicalJson({ ...anomaly, detected_at: null }),
  };
}

const ANOMALY = "anomaly";
/** What the log writes of itself. Source: docs/audit-format.md, series of records. */
export const OWN_EMITTER = "audit-sink";

/** An entry of the log's own: a function of the record that gave rise to it. `eventId`: among those of the log's own. */
export function ownEntry(
  what: Pick<AuditEntry, "eventId" | "tenantKey" | "occurredAtMs" | "action" | "payload">,
  origin: Origin,
): AuditEntry {
  return {
    ...what,
    eventId: `${OWN_EMITTER}:${what.eventId}`,
    origin: placeOf(origin),
    emitter: OWN_EMITTER,
    emitterSeq: 0,
    actorType: "SYSTEM",
    actorId: OWN_EMITTER,
    impersonatorId: null,
    subjectUserId: null,
    isImpersonation: false,
    impersonatedUserId: null,
    ip: null,
    userAgent: null,
    identity: canonicalJson({ action: what.action, payload: what.payload }),
  };
}

/** Of a record, which holds more. */
export const placeOf = ({ topic, partition, offset, timestampMs }: Origin): Origin => ({
  topic,
  partition,
  offset,
  timestampMs,
});

/** What an emitter wrote is kept whatever it is: text that is no JSON is kept as text, without clear addresses. */
function payloadOf(text: string): unknown {
  try {
    return redactAddresses(JSON.parse(text));
  } catch {
    return { unparsed: redactText(text) };
  }
}

/** By its emitter a verifier knows what the log says of itself: nobody else may have that name. */
function emitterOf(event: AuditEvent): string {
  const emitter = clean(event.emitter);
  return emitter === OWN_EMITTER ? `id.audit:${emitter}` : emitter;
}

/** How ids begin that no emitter gives: who took one first could keep out what the log has to say under it. */
const NOT_EMITTERS = new RegExp(`^(${ANOMALY}|${OWN_EMITTER}):`);

function eventIdOf(event: AuditEvent): string {
  const id = clean(event.event_id);
  return NOT_EMITTERS.test(id) ? `id.audit:${id}` : id;
}

/** PostgreSQL takes no NUL in text, and an entry is never refused for one. */
const clean = (text: string): string => text.replaceAll("\0", "");
const cleanOrNull = (text: string | null): string | null => (text === null ? null : clean(text));

/** A leaf has room for so much only, and an entry is never refused for more. */
const cutOrNull = (text: string | null): string | null =>
  cleanOrNull(text)?.slice(0, USER_AGENT_MAX_LENGTH).toWellFormed() ?? null;
