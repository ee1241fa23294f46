import { ACCESS_DENIED, REVOCATIONS_HELD } from "@vigie/schemas/audit-actions";
import { finderOf, isSecurityEvent } from "@vigie/schemas/security-events";
import type { AuditEvent, SessionAnomaly } from "@vigie/schemas/types";
import { tenantUuid } from "@vigie/service-kit/ids";
import type { SessionRow } from "./columns.ts";
import type { SecurityEventRow } from "./columns-security.ts";
import { anomalyUuid, eventUuid, isoTime, personOf, sessionOf } from "./ids.ts";

/** ANO-14, ANO-18: of an alarm that is severe, or that concerns a security operations centre in any case; else null. */
export function anomalyEvent(anomaly: SessionAnomaly): SecurityEventRow | null {
  if (!isSecurityEvent(anomaly)) return null;
  return {
    ...personOf(anomaly),
    id: anomalyUuid(anomaly, anomaly.anomaly_id),
    ...sessionOf(anomaly, anomaly.session_id),
    kind: anomaly.kind,
    severity: anomaly.severity,
    source: finderOf(anomaly),
    origin_id: anomaly.anomaly_id,
    evidence: JSON.stringify(anomaly.evidence),
    occurred_at: isoTime(anomaly.occurred_at),
  };
}

/** Audited actions that concern a security operations centre, each with its severity. */
const SEVERITIES: ReadonlyMap<string, string> = new Map([
  // SUB-01.
  [ACCESS_DENIED, "MEDIUM"],
  // DESIGN, Sessions, Actions: the guard's alarm.
  [REVOCATIONS_HELD, "CRITICAL"],
]);
/** Of an audited payload, what a machine chose. `attempts`: method, route and fault of each, with how often. */
const WORDS = ["route", "method", "code", "scope", "count", "fault", "attempts"] as const;
const WORD = /^[\w.:/ {}*-]{1,128}$/;

/** The security event in an audited action, or null. */
export function auditedEvent(event: AuditEvent): SecurityEventRow | null {
  const severity = SEVERITIES.get(event.action);
  if (severity === undefined) return null;
  const person = event.actor.type === "USER" || event.actor.type === "ADMIN";
  const about = event.subject_user_id ?? (person ? event.actor.id : null);
  const { tenant_id } = event;
  return {
    ...(about === null
      ? { tenant_id: tenantUuid(tenant_id), user_id: null, user_key: null }
      : personOf({ tenant_id, user_id: about })),
    id: eventUuid({ tenant_id, user_id: "" }, "security/audit", event.event_id),
    session_id: null,
    session_key: null,
    kind: event.action.replaceAll(".", "_"),
    severity,
    source: event.emitter.startsWith("edge.") ? "edge" : "sessions",
    origin_id: event.event_id,
    evidence: JSON.stringify({
      ...(person ? {} : { actor: event.actor.id }),
      ...wordsOf(event.payload),
    }),
    occurred_at: isoTime(event.occurred_at),
  };
}

function wordsOf(payload: string): Record<string, unknown> {
  const words: Record<string, unknown> = {};
  const held = parse(payload);
  for (const name of WORDS) if (isWords(held[name])) words[name] = held[name];
  return words;
}

function isWords(value: unknown): boolean {
  if (typeof value === "number") return true;
  if (typeof value === "string") return WORD.test(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).every(([key, count]) => WORD.test(key) && typeof count === "number");
}

function parse(payload: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * A session id that another user of the tenant holds, or another spelling of one: one event for each user and session,
 * however many states come, of when the session began.
 */
export function conflictEvent(session: SessionRow): SecurityEventRow {
  const [tenant_id, user_id] = [session.tenant_key ?? "", session.user_key ?? ""];
  const name = `${user_id}|${session.session_key}`;
  return {
    id: eventUuid({ tenant_id, user_id }, "security/session", name),
    tenant_id: session.tenant_id,
    user_id: session.user_id,
    session_id: session.id,
    user_key: session.user_key,
    session_key: session.session_key,
    kind: "session_id_conflict",
    severity: "HIGH",
    source: "session-sink",
    origin_id: session.session_key,
    evidence: "{}",
    occurred_at: session.created_at,
  };
}
