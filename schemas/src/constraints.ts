import { TENANT_ID, USER_ID } from "@vigie/core/keys";

/** What the contracts ask of a value beyond its Avro type: one table for decoded records and for HTTP bodies. */
export type Constraint =
  | {
      readonly kind: "text";
      readonly pattern: RegExp;
      readonly maxLength: number;
      readonly says: string;
    }
  | { readonly kind: "number"; readonly min: number; readonly max: number }
  | { readonly kind: "texts"; readonly maxItems: number; readonly each: TextConstraint };

type TextConstraint = Extract<Constraint, { kind: "text" }>;

/** Source: DESIGN, what is wrong with a record. */
export const ID_MAX_LENGTH = 128;
export const USER_AGENT_MAX_LENGTH = 1_024;
/** Source: id.login.avsc. */
const ROLES_MAX = 32;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const NO_CONTROLS = /^[^\u0000-\u001f\u007f]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
const SOME_NO_CONTROLS = /^[^\u0000-\u001f\u007f]+$/;

function text(maxLength: number, pattern = NO_CONTROLS, says?: string): TextConstraint {
  const said = says ?? `at most ${maxLength} characters without control characters`;
  return { kind: "text", pattern, maxLength, says: said };
}
const number = (min: number, max: number): Constraint => ({ kind: "number", min, max });

const id = text(
  ID_MAX_LENGTH,
  SOME_NO_CONTROLS,
  `1..${ID_MAX_LENGTH} characters without control characters`,
);
const tenantId = text(64, TENANT_ID, "1..64 characters of A-Z a-z 0-9 . _ -");
const userId = text(ID_MAX_LENGTH, USER_ID, "1..128 characters without '|' and control characters");
/** Source of the lengths: REQUIREMENTS SES-24 to SES-26, the columns that take them. */
const loginMethod = text(50);
const reason = text(100);
const upstreamRef = text(255);
const name = text(255);
/** The parts that have no database to say it in themselves: nobody says it for the others. */
const toldPart = text(64, /^(sessions|detector)$/, "sessions or detector");

/**
 * Of every timestamp-millis: 1970 to the end of 9999. Source: what a Date and PostgreSQL's timestamp have in common,
 * in years of four digits: ISO 8601 writes later ones in a form that PostgreSQL does not read.
 */
export const TIME_MAX_MS = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
export const anyTime = number(0, TIME_MAX_MS);

const subject = { tenant_id: tenantId, user_id: userId } as const;
const event = { event_id: id, ...subject, session_id: id, source: name } as const;

/** By record and field. A null or missing value is the contract's own matter and passes. */
export const constraints: Readonly<Record<string, Readonly<Record<string, Constraint>>>> = {
  LoginEvent: {
    ...event,
    org_id: id,
    roles: { kind: "texts", maxItems: ROLES_MAX, each: id },
    login_method: loginMethod,
    failure_reason: name,
    upstream_session_ref: upstreamRef,
  },
  HeartbeatEvent: {
    ...event,
    org_id: id,
    roles: { kind: "texts", maxItems: ROLES_MAX, each: id },
  },
  MfaEvent: event,
  /** Source: id.geo.avsc and DESIGN, geohash precision 2..7; 12 is the longest geohash in use. */
  GeoEvent: { ...event, geohash: text(12, /^[0-9b-hjkmnp-z]+$/, "a geohash of 1..12 characters") },
  Device: { device_id: id },
  Fingerprint: { hash: name, similarity: number(0, 1) },
  Network: { ip: text(64) },
  Location: {
    lat: number(-90, 90),
    lon: number(-180, 180),
    accuracy_m: number(0, Number.MAX_VALUE),
    country: text(2, /^[A-Z]{2}$/, "two capital letters, ISO 3166-1 alpha-2"),
    city: name,
  },
  /** Source: ITU-T E.212: country codes 200..799, network codes of two or three digits. */
  Sim: { mcc: number(200, 799), mnc: number(0, 999), carrier: name },
  SessionCommand: {
    command_id: id,
    batch_id: id,
    ...subject,
    session_id: id,
    device_id: id,
    keep_session_id: id,
    reason,
  },
  SessionCommandResult: { command_id: id, batch_id: id, ...subject },
  RevocationAck: { revocation_id: id, tenant_id: tenantId, enforcement_point: id },
  RiskDecision: { decision_id: id, ...subject, session_id: id, anomaly_id: id, reason },
  AnomalyLabel: { anomaly_id: id, ...subject },
  SubjectErasure: { erasure_id: id, ...subject },
  SubjectErasurePart: { erasure_id: id, tenant_id: tenantId, part: toldPart },
  GeoPrefs: { ...subject, precision: number(2, 7) },
  SessionEpoch: { epoch_id: id, tenant_id: tenantId, value: id, reason },
  SessionAnomaly: { anomaly_id: id, ...subject, session_id: id, kind: text(64), retracts: id },
  AuditEvent: {
    event_id: id,
    tenant_id: tenantId,
    emitter: name,
    // The number behind it must be a safe integer as well.
    emitter_seq: number(0, Number.MAX_SAFE_INTEGER - 1),
    action: text(ID_MAX_LENGTH),
    subject_user_id: userId,
    impersonated_user_id: userId,
  },
  Actor: { id: name, impersonator_id: id, ip: text(64) },
  ActorRef: { id: name, impersonator_id: id },
};

/** Fields that a kind cannot do without, though the contract lets them be null. */
export const required: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  LoginEvent: { AUTH_SUCCESS: ["session_id"], LOGOUT: ["session_id"] },
  SessionCommand: {
    REVOKE_SESSION: ["session_id"],
    REVOKE_DEVICE: ["device_id"],
    REVOKE_CHANNEL: ["channel"],
  },
};

/** Where a record says what happened; UNKNOWN there is a kind of a newer contract: dropped, no fault. */
export const kindFields: Readonly<Record<string, string>> = {
  LoginEvent: "kind",
  MfaEvent: "kind",
  SessionCommand: "kind",
  RiskDecision: "action",
  AnomalyLabel: "label",
  SessionEpoch: "scope",
};

/** Where a record says when it happened. */
export const timeFields: Readonly<Record<string, string>> = {
  LoginEvent: "occurred_at",
  HeartbeatEvent: "occurred_at",
  MfaEvent: "occurred_at",
  GeoEvent: "occurred_at",
  SessionCommand: "requested_at",
  RiskDecision: "decided_at",
  SubjectErasure: "requested_at",
};
