import { assert } from "@vigie/core/assert";
import { drop, type Outcome, ok } from "@vigie/core/outcome";
import { SECOND_MS } from "@vigie/core/time";
import type {
  GeoEvent,
  HeartbeatEvent,
  LoginEvent,
  MfaEvent,
  RiskDecision,
  SessionAnomaly,
  SessionCommand,
  SessionTick,
  SubjectErasure,
} from "@vigie/schemas/types";
import type { InputRecord } from "@vigie/stream/processor";
import { eventHash } from "./event-hash.ts";
import type { Commanded, Scope, SessionInput } from "./input.ts";
import type { SessionContext } from "./state.ts";

/** What may be kept of an address (PRV-03), or null for text that is none. */
export type AddressDigest = (
  tenantId: string,
  ip: string,
) => { readonly prefix: string; readonly hash: string; readonly keyId: string } | null;

type UserEvent = LoginEvent | HeartbeatEvent | MfaEvent | GeoEvent;
export type SessionEvent =
  | UserEvent
  | SessionCommand
  | SessionAnomaly
  | RiskDecision
  | SubjectErasure
  | SessionTick;

/** Source: id.session.anomaly.avsc, 0..100. */
const RISK_MAX = 100;

/** Its records are of a partition, of no user. */
export const TICK_TOPIC = "id.session.tick";

/** The topics that tell of sessions, and what their records mean for one. */
export function translate(
  record: InputRecord<SessionEvent>,
  digest: AddressDigest,
): Outcome<SessionInput> {
  switch (record.topic) {
    case "id.login":
      return fromLogin(record.value as LoginEvent, record.timestampMs, digest);
    case "id.heartbeat":
      return ok(fromHeartbeat(record.value as HeartbeatEvent, record.timestampMs, digest));
    case "id.mfa":
      return fromMfa(record.value as MfaEvent, record.timestampMs, digest);
    case "id.session.anomaly":
      return ok(fromAnomaly(record.value as SessionAnomaly, record.timestampMs));
    case "id.risk.decision":
      return ok(fromDecision(record.value as RiskDecision, record.timestampMs));
    case "id.session.command":
      return fromCommand(record.value as SessionCommand, record.timestampMs);
    case "id.subject.erasure":
      return ok(fromErasure(record.value as SubjectErasure, record.timestampMs));
    default:
      return fromGeo(record.value as GeoEvent, record.timestampMs, digest);
  }
}

function fromLogin(
  event: LoginEvent,
  recordMs: number,
  digest: AddressDigest,
): Outcome<SessionInput> {
  const sessionId = event.session_id;
  const input = {
    atMs: past(event.occurred_at, recordMs),
    eventId: event.event_id,
    eventHash: eventHash(event.event_id),
  };
  switch (event.kind) {
    case "AUTH_SUCCESS":
      if (sessionId === null) return drop("login_without_session");
      return ok({
        ...input,
        kind: "login_succeeded",
        sessionId,
        absoluteCapMs: storable(event.absolute_expires_at),
        context: contextOf(event, digest, event),
      });
    case "LOGOUT":
      return sessionId === null
        ? drop("no_effect")
        : ok({ ...input, kind: "logged_out", sessionId });
    case "PASSWORD_CHANGED":
      return ok({ ...input, kind: "password_changed", keptSessionId: sessionId });
    case "UNKNOWN":
      return drop("unknown_kind");
    default:
      return drop("no_effect");
  }
}

function fromHeartbeat(
  event: HeartbeatEvent,
  recordMs: number,
  digest: AddressDigest,
): SessionInput {
  return {
    kind: "heartbeat_seen",
    atMs: past(event.occurred_at, recordMs),
    eventId: event.event_id,
    sessionId: event.session_id,
    startedAtMs: storable(event.session_started_at),
    context: contextOf(event, digest, event),
  };
}

function fromMfa(event: MfaEvent, recordMs: number, digest: AddressDigest): Outcome<SessionInput> {
  return event.kind === "SUCCESS" ? activity(event, recordMs, digest, true) : drop("no_effect");
}

const fromGeo = (event: GeoEvent, recordMs: number, digest: AddressDigest): Outcome<SessionInput> =>
  activity(event, recordMs, digest, false);

function activity(
  event: MfaEvent | GeoEvent,
  recordMs: number,
  digest: AddressDigest,
  isSecondFactor: boolean,
): Outcome<SessionInput> {
  if (event.session_id === null) return drop("no_effect");
  return ok({
    kind: "activity_seen",
    isSecondFactor,
    atMs: past(event.occurred_at, recordMs),
    eventId: event.event_id,
    sessionId: event.session_id,
    context: contextOf(event, digest),
  });
}

const fromAnomaly = (anomaly: SessionAnomaly, recordMs: number): SessionInput => ({
  kind: "anomaly_found",
  atMs: past(anomaly.occurred_at, recordMs),
  eventId: anomaly.anomaly_id,
  eventHash: eventHash(anomaly.anomaly_id),
  sessionId: anomaly.session_id,
  rule: anomaly.kind,
  riskScore: Math.min(Math.max(0, anomaly.risk_score), RISK_MAX),
  action: anomaly.action,
  isEnforced: anomaly.mode === "ENFORCE",
  retracts: anomaly.retracts === null ? null : eventHash(anomaly.retracts),
});

const fromDecision = (decision: RiskDecision, recordMs: number): SessionInput => ({
  kind: "risk_decided",
  atMs: past(decision.decided_at, recordMs),
  eventId: decision.decision_id,
  eventHash: eventHash(decision.decision_id),
  sessionId: decision.session_id,
  anomalyId: decision.anomaly_id,
  action: decision.action,
  reason: decision.reason,
});

const fromErasure = (erasure: SubjectErasure, recordMs: number): SessionInput => ({
  kind: "erasure_requested",
  atMs: past(erasure.requested_at, recordMs),
  eventId: erasure.erasure_id,
});

/** How far the clock of an edge may be behind the broker's. Source: that of epochs, DESIGN, Sessions, Epochs. */
const EDGE_BEHIND_MAX_MS = 5 * SECOND_MS;

function fromCommand(command: SessionCommand, recordMs: number): Outcome<Commanded> {
  const scope = scopeOf(command);
  if (scope === null) return drop("unknown_kind");
  return ok({
    kind: "commanded",
    atMs: past(command.requested_at, recordMs),
    eventId: command.command_id,
    batchId: command.batch_id,
    scope,
    // What begins after the command is on record, and so after its answer, is never meant.
    beganByMs: past(command.requested_at + EDGE_BEHIND_MAX_MS, recordMs),
    keptSessionId: command.keep_session_id,
    reason: command.reason,
    actor: command.actor,
  });
}

/** What a kind needs has been asked for at the door. */
function scopeOf({ kind, session_id, device_id, channel }: SessionCommand): Scope | null {
  switch (kind) {
    case "REVOKE_SESSION":
      assert(session_id !== null, "REVOKE_SESSION names a session");
      return { kind: "session", sessionId: session_id };
    case "REVOKE_ALL":
      return { kind: "user" };
    case "REVOKE_DEVICE":
      assert(device_id !== null, "REVOKE_DEVICE names a device");
      return { kind: "device", deviceId: device_id };
    case "REVOKE_CHANNEL":
      assert(channel !== null, "REVOKE_CHANNEL names a channel");
      // A channel that this version cannot read is not the one that sessions of unknown channels have.
      return channel === "UNKNOWN" ? null : { kind: "channel", channel };
    default:
      return null;
  }
}

/** A producer's clock may run ahead; nothing has been seen later than it was put on record. */
const past = (timeMs: number, recordMs: number): number => Math.min(timeMs, recordMs);

/** A producer may write any 64-bit number where a time is meant; far beyond year 9999 it is one that we can store. */
const TIME_MAX_MS = 2 ** 52;
const storable = (timeMs: number | null): number | null =>
  timeMs === null ? null : Math.min(Math.max(0, Math.trunc(timeMs)), TIME_MAX_MS);

type Holder = Partial<
  Pick<LoginEvent, "user_type" | "org_id" | "roles" | "login_method" | "upstream_session_ref">
>;

/** Coordinates are left behind here: a session keeps country and city only (PRV-11). */
function contextOf(event: UserEvent, digest: AddressDigest, holder: Holder = {}): SessionContext {
  const ip = event.network?.ip ?? null;
  const address = ip === null ? null : digest(event.tenant_id, ip);
  return {
    userType: holder.user_type ?? "UNKNOWN",
    orgId: holder.org_id ?? null,
    roles: holder.roles ?? [],
    channel: event.channel,
    deviceId: event.device?.device_id ?? null,
    userAgent: event.network?.user_agent ?? null,
    loginMethod: holder.login_method ?? null,
    ipPrefix: address?.prefix ?? null,
    ipHash: address?.hash ?? null,
    ipHashKeyId: address?.keyId ?? null,
    country: event.location?.country ?? null,
    city: event.location?.city ?? null,
    upstreamSessionRef: holder.upstream_session_ref ?? null,
  };
}
