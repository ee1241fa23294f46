import type {
  GeoEvent,
  HeartbeatEvent,
  LoginEvent,
  MfaEvent,
  SessionAnomaly,
  SessionRevoked,
} from "@vigie/schemas/types";
import type { ActivityRow } from "./columns.ts";
import { eventUuid, isoTime, noSessionUuid, type Subject, sessionUuid, subjectIds } from "./ids.ts";

/** An activity as its event tells it; when that came is another matter. */
export type Happened = Omit<ActivityRow, "arrived_at">;

/** What an activity says beyond who and when. */
interface Said {
  readonly topic: string;
  readonly eventId: string;
  readonly sessionId: string | null;
  readonly atMs: number;
  readonly type: string;
  readonly category: "auth" | "security" | "data";
  readonly success: boolean | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Words a machine made; free text could hold anything, so it is left out (PRV-12). */
const WORD = /^[\w.:/-]{1,64}$/;
const word = (text: string | null): string | undefined =>
  text !== null && WORD.test(text) ? text : undefined;

function row(subject: Subject, said: Said): Happened {
  const { tenantId, userId } = subjectIds(subject);
  return {
    id: eventUuid(subject, said.topic, said.eventId),
    session_id:
      said.sessionId === null ? noSessionUuid(subject) : sessionUuid(subject, said.sessionId),
    activity_type: said.type,
    activity_category: said.category,
    timestamp: isoTime(said.atMs),
    details: JSON.stringify(said.details),
    success: said.success,
    tenant_id: tenantId,
    user_id: userId,
    event_id: said.eventId,
  };
}

type UserEvent = Pick<
  LoginEvent,
  "event_id" | "tenant_id" | "user_id" | "session_id" | "occurred_at"
>;

const about = (topic: string, event: UserEvent) => ({
  topic,
  eventId: event.event_id,
  sessionId: event.session_id,
  atMs: event.occurred_at,
});

/** Whether each kind of login is a success; null where the word does not apply. */
const LOGIN_SUCCESS = {
  AUTH_SUCCESS: true,
  AUTH_FAIL: false,
  LOGOUT: null,
  PASSWORD_CHANGED: null,
  UNKNOWN: null,
} as const satisfies Record<LoginEvent["kind"], boolean | null>;

/**
 * ACT-01, CNF-18: activity types are the kinds in lower case; 000's are upper-cased by the view.
 */
export function loginActivity(event: LoginEvent): Happened {
  return row(event, {
    ...about("id.login", event),
    type: event.kind.toLowerCase(),
    category: event.kind === "PASSWORD_CHANGED" ? "security" : "auth",
    success: LOGIN_SUCCESS[event.kind],
    details: {
      channel: event.channel,
      user_type: event.user_type,
      login_method: word(event.login_method),
      failure_reason: word(event.failure_reason),
      country: event.location?.country ?? undefined,
    },
  });
}

export function heartbeatActivity(event: HeartbeatEvent): Happened {
  return row(event, {
    ...about("id.heartbeat", event),
    type: "heartbeat",
    category: "auth",
    success: null,
    details: { channel: event.channel },
  });
}

const MFA_SUCCESS = { CHALLENGE: null, SUCCESS: true, FAIL: false, UNKNOWN: null } as const;

export function mfaActivity(event: MfaEvent): Happened {
  return row(event, {
    ...about("id.mfa", event),
    type: `mfa_${event.kind.toLowerCase()}`,
    category: "auth",
    success: MFA_SUCCESS[event.kind],
    details: { channel: event.channel, factor: event.factor },
  });
}

/** PRV-01: of a place, the country alone. */
export function geoActivity(event: GeoEvent): Happened {
  return row(event, {
    ...about("id.geo", event),
    type: "location_captured",
    category: "data",
    success: null,
    details: {
      channel: event.channel,
      source: event.location?.source,
      country: event.location?.country ?? undefined,
    },
  });
}

/** ANO-17. Evidence stays with the anomaly. */
export function anomalyActivity(anomaly: SessionAnomaly): Happened {
  return row(anomaly, {
    topic: "id.session.anomaly",
    eventId: anomaly.anomaly_id,
    sessionId: anomaly.session_id,
    atMs: anomaly.occurred_at,
    type: "anomaly",
    category: "security",
    success: null,
    details: {
      anomaly_id: anomaly.anomaly_id,
      kind: anomaly.kind,
      severity: anomaly.severity,
      risk_score: anomaly.risk_score,
      action: anomaly.action,
      mode: anomaly.mode,
    },
  });
}

/** REV-14 */
export function revokeActivity(revoked: SessionRevoked): Happened {
  return row(revoked, {
    topic: "id.session.revoked",
    eventId: revoked.revocation_id,
    sessionId: revoked.session_id,
    atMs: revoked.revoked_at,
    type: "revoke",
    category: "security",
    success: null,
    details: {
      channel: revoked.channel,
      reason: word(revoked.reason),
      actor_type: revoked.actor.type,
      anomaly_id: revoked.anomaly_id ?? undefined,
      command_id: revoked.command_id ?? undefined,
    },
  });
}
