import { randomUUID } from "node:crypto";
import type { VigCode } from "@vigie/core/catalogue";
import type { ErrorDetails } from "@vigie/core/errors";
import { userKey } from "@vigie/core/keys";
import { checkEvent } from "@vigie/schemas/admit";
import { VALUE_MAX_BYTES } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { Fault } from "@vigie/service-kit/http/problem";
import type { OutgoingEvent } from "@vigie/service-kit/output/event-output";
import type { Consents } from "../../consents/consents.ts";
import { bodyValidator, type Validate } from "./body-schema.ts";
import { coarsen, type GivenLocation, geohashOfLocation } from "./coarsen.ts";
import { instantMs } from "./event-time.ts";
import {
  defaultsOf,
  type EventTopic,
  type EventType,
  eventTypeNames,
  eventTypes,
  timeFieldsOf,
} from "./event-types.ts";
import { type ClientView, ownEvent } from "./own-event.ts";

/** What became of a body: an event to be published, or why not. */
export type Admission =
  | AdmittedEvent
  | {
      readonly kind: "refused";
      readonly code: VigCode;
      readonly details: ErrorDetails;
      readonly faults: readonly Fault[];
    };

export interface AdmittedEvent {
  readonly kind: "event";
  readonly eventId: string;
  readonly event: OutgoingEvent;
  /** A login that succeeded: it begins a session. */
  readonly isLogin: boolean;
}

export interface AdmitContext {
  readonly caller: Caller;
  /** Asked for only when the event is a person's own. */
  readonly client: () => ClientView;
  readonly nowMs: number;
}

export interface AdmitLimits {
  readonly maxEventAgeMs: number;
  readonly maxAheadMs: number;
}

export interface AdmitOptions {
  readonly codecs: Codecs;
  readonly limits: AdmitLimits;
  readonly consents: Consents;
}

export type Admit = (type: EventType, body: unknown, context: AdmitContext) => Admission;

type Fields = Readonly<Record<string, unknown>>;

/** Judges bodies and makes events of them. Pure but for the event ids it draws. */
export function createAdmit({ codecs, limits, consents }: AdmitOptions): Admit {
  const kinds = Object.fromEntries(
    eventTypeNames.map((type) => [type, createKind(type, { codecs, limits, consents })]),
  ) as Record<EventType, Kind>;
  return (type, body, context) => {
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      return invalid([{ path: "body", why: "is no JSON object" }]);
    }
    const fields = body as Fields;
    return rights(type, fields, context.caller) ?? admitFields(kinds[type], fields, context);
  };
}

/** Everything about one type of event, made once. */
interface Kind {
  readonly type: EventType;
  readonly topic: EventTopic;
  readonly defaults: Fields;
  readonly timeFields: readonly string[];
  readonly validate: Validate;
  readonly encode: (value: Fields) => Buffer;
  readonly limits: AdmitLimits;
  readonly consents: Consents;
}

function createKind(type: EventType, { codecs, limits, consents }: AdmitOptions): Kind {
  const { topic } = eventTypes[type];
  const encoder = codecs.encoder<Fields>(topic);
  return {
    type,
    topic,
    defaults: defaultsOf(topic),
    timeFields: timeFieldsOf(topic),
    validate: bodyValidator(topic),
    encode: (value) => encoder.encode(value),
    limits,
    consents,
  };
}

const refused = (code: VigCode, details: ErrorDetails = {}): Admission => ({
  kind: "refused",
  code,
  details,
  faults: [],
});

function invalid(faults: readonly Fault[]): Admission {
  const [first] = faults;
  return { kind: "refused", code: "VIG_BODY_INVALID", details: { ...first }, faults };
}

/** Whether this caller may send this at all: TEN-04, the token decides, a body can only agree. */
function rights(type: EventType, body: Fields, caller: Caller): Admission | null {
  const { tenant_id: tenantId, user_id: userId, session_id: sessionId } = body;
  if ((tenantId ?? caller.tenantId) !== caller.tenantId) {
    return refused("VIG_TENANT_MISMATCH", { where: "body" });
  }
  if (caller.kind === "service") return null;
  if (!eventTypes[type].fromUsers) return refused("VIG_SERVICE_ONLY", { type });
  if ((userId ?? caller.subject) !== caller.subject) return refused("VIG_USER_MISMATCH");
  const strayed = (sessionId ?? caller.sessionId) !== caller.sessionId;
  const needed = type === "heartbeat" && caller.sessionId === null;
  return strayed || needed ? refused("VIG_SESSION_MISMATCH") : null;
}

function admitFields(kind: Kind, body: Fields, context: AdmitContext): Admission {
  const { caller, nowMs } = context;
  const said =
    caller.kind === "service"
      ? body
      : ownEvent(kind.type, body, { caller, client: context.client(), nowMs });
  const value: Record<string, unknown> = { ...kind.defaults, ...said, tenant_id: caller.tenantId };
  value.event_id ??= randomUUID();
  readTimes(kind, value);
  const malformed = kind.validate(value);
  if (malformed !== null) return invalid(malformed);
  const faults = faultsOf(kind, value, nowMs);
  if (faults.length > 0) return invalid(faults);
  const key = userKey(value.tenant_id as string, value.user_id as string);
  cutUserAgent(value);
  cutLocation(kind, value, key);
  return encoded(kind, value, key);
}

/** Times that came as text, as the contract has them; what names no time stays, for the validator to find. */
function readTimes(kind: Kind, value: Record<string, unknown>): void {
  for (const name of kind.timeFields) {
    const given = value[name];
    if (typeof given === "string") value[name] = instantMs(given) ?? given;
  }
}

function faultsOf(kind: Kind, value: Fields, nowMs: number): readonly Fault[] {
  const faults = checkEvent(kind.topic, value);
  const why = timeFault(value.occurred_at as number, nowMs, kind.limits);
  return why === null ? faults : [...faults, { path: "occurred_at", why }];
}

function timeFault(atMs: number, nowMs: number, limits: AdmitLimits): string | null {
  const { maxAheadMs, maxEventAgeMs } = limits;
  if (atMs - nowMs > maxAheadMs) return `is more than ${maxAheadMs} ms ahead`;
  if (nowMs - atMs > maxEventAgeMs) return `is more than ${maxEventAgeMs} ms ago`;
  return null;
}

/** Source: id.login.avsc, Network: at most 1024 characters; a longer one is cut, not refused. */
const USER_AGENT_MAX_LENGTH = 1_024;

function cutUserAgent(value: Record<string, unknown>): void {
  const network = value.network as { readonly user_agent?: string | null } | null;
  const userAgent = network?.user_agent;
  if (typeof userAgent !== "string" || userAgent.length <= USER_AGENT_MAX_LENGTH) return;
  const cut = userAgent.slice(0, USER_AGENT_MAX_LENGTH).toWellFormed();
  value.network = { ...network, user_agent: cut };
}

/** No place goes on more finely than its person consents to. */
function cutLocation({ type, consents }: Kind, value: Record<string, unknown>, key: string): void {
  const location = value.location as GivenLocation | null;
  const geohash = value.geohash as string | null | undefined;
  if (location === null && !geohash) return;
  const length = consents.lengthOf(key);
  const cut = location && coarsen(location, length);
  value.location = cut;
  if (type !== "geo") return;
  value.geohash = (cut && geohashOfLocation(cut, length)) ?? (geohash?.slice(0, length) || null);
}

function encoded(kind: Kind, value: Fields, key: string): Admission {
  const bytes = kind.encode(value);
  if (bytes.length > VALUE_MAX_BYTES) {
    const details = { bytes: bytes.length, limitBytes: VALUE_MAX_BYTES };
    return refused("VIG_RECORD_TOO_LARGE", details);
  }
  const event = { topic: kind.topic, key, value: bytes };
  const isLogin = kind.type === "login" && value.kind === "AUTH_SUCCESS";
  return { kind: "event", eventId: value.event_id as string, event, isLogin };
}
