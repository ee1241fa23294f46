import { drop, type Outcome, ok } from "@vigie/core/outcome";
import type { GeoEvent, HeartbeatEvent, LoginEvent, MfaEvent } from "@vigie/schemas/types";
import type { InputRecord } from "@vigie/stream/processor";
import { eventHash } from "./event-hash.ts";
import type { SessionInput } from "./input.ts";
import type { SessionContext } from "./state.ts";

/** What may be kept of an address (PRV-03), or null for text that is none. */
export type AddressDigest = (
  tenantId: string,
  ip: string,
) => { readonly prefix: string; readonly hash: string; readonly keyId: string } | null;

export type SessionEvent = LoginEvent | HeartbeatEvent | MfaEvent | GeoEvent;

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
  const input = { atMs: pastOf(event, recordMs), eventHash: eventHash(event.event_id) };
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
    atMs: pastOf(event, recordMs),
    eventHash: null,
    sessionId: event.session_id,
    startedAtMs: storable(event.session_started_at),
    context: contextOf(event, digest, event),
  };
}

function fromMfa(event: MfaEvent, recordMs: number, digest: AddressDigest): Outcome<SessionInput> {
  return event.kind === "SUCCESS" ? activity(event, recordMs, digest) : drop("no_effect");
}

const fromGeo = (event: GeoEvent, recordMs: number, digest: AddressDigest): Outcome<SessionInput> =>
  activity(event, recordMs, digest);

function activity(
  event: MfaEvent | GeoEvent,
  recordMs: number,
  digest: AddressDigest,
): Outcome<SessionInput> {
  if (event.session_id === null) return drop("no_effect");
  return ok({
    kind: "activity_seen",
    atMs: pastOf(event, recordMs),
    eventHash: null,
    sessionId: event.session_id,
    context: contextOf(event, digest),
  });
}

/** A producer's clock may run ahead; nothing has been seen later than it was put on record. */
const pastOf = (event: SessionEvent, recordMs: number): number =>
  Math.min(event.occurred_at, recordMs);

/** A producer may write any 64-bit number where a time is meant; far beyond year 9999 it is one that we can store. */
const TIME_MAX_MS = 2 ** 52;
const storable = (timeMs: number | null): number | null =>
  timeMs === null ? null : Math.min(Math.max(0, Math.trunc(timeMs)), TIME_MAX_MS);

type Holder = Partial<
  Pick<LoginEvent, "user_type" | "org_id" | "roles" | "login_method" | "upstream_session_ref">
>;

/** Coordinates are left behind here: a session keeps country and city only (PRV-11). */
function contextOf(
  event: SessionEvent,
  digest: AddressDigest,
  holder: Holder = {},
): SessionContext {
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
