import { silentLogger } from "@vigie/core/log";
import { noOutages } from "@vigie/core/outages";
import { defaultPolicy, type PolicyDocument } from "@vigie/core/policy";
import { DAY_MS, SECOND_MS } from "@vigie/core/time";
import type { TopicName } from "@vigie/schemas/catalogue";
import type { Codecs } from "@vigie/schemas/codec-core";
import { memoryCodecs } from "@vigie/schemas/memory-codecs";
import { sampleAnomaly } from "@vigie/schemas/samples";
import type {
  AuditEvent,
  GeoEvent,
  HeartbeatEvent,
  LoginEvent,
  MfaEvent,
  RiskDecision,
  SessionAnomaly,
  SessionCommand,
  SessionCommandResult,
  SessionPolicy,
  SessionRevoked,
  SessionState,
  SessionTick,
  SubjectErasure,
  SubjectErasurePart,
} from "@vigie/schemas/types";
import { createDriver } from "@vigie/stream/driver";
import { createSessions } from "./app.ts";
import type { Setting } from "./draft.ts";
import { guardOf, noLoad } from "./guard.ts";
import type { OutputName } from "./publish/publish.ts";
import type { SessionContext } from "./state.ts";

/** Builders for tests and examples: values that pass the door, with what matters given by name. */

export const TENANT = "acme";
export const USER = "u-1";
export const KEY = `${TENANT}|${USER}`;
/** 2026-01-05 10:00 UTC. */
export const T0 = Date.UTC(2026, 0, 5, 10);

type UserEvent = LoginEvent | HeartbeatEvent | MfaEvent | GeoEvent;

let events = 0;
const nextEventId = (): string => {
  events += 1;
  return `e-${events}`;
};

const base = () => ({
  event_id: nextEventId(),
  tenant_id: TENANT,
  user_id: USER,
  occurred_at: T0,
  session_id: "s-1",
  channel: "MOBILE" as const,
  network: null,
  device: null,
  location: null,
  sim: null,
  source: null,
});

export const login = (over: Partial<LoginEvent> = {}): LoginEvent => ({
  ...base(),
  kind: "AUTH_SUCCESS",
  user_type: "EXTERNAL",
  org_id: null,
  roles: [],
  login_method: "password",
  failure_reason: null,
  absolute_expires_at: null,
  upstream_session_ref: null,
  ...over,
});

export const logout = (over: Partial<LoginEvent> = {}): LoginEvent =>
  login({ kind: "LOGOUT", ...over });

export const heartbeat = (over: Partial<HeartbeatEvent> = {}): HeartbeatEvent => ({
  ...base(),
  session_id: "s-1",
  session_started_at: null,
  user_type: "EXTERNAL",
  org_id: null,
  roles: [],
  ...over,
});

export const mfa = (over: Partial<MfaEvent> = {}): MfaEvent => ({
  ...base(),
  kind: "SUCCESS",
  factor: "TOTP",
  ...over,
});

export const geo = (over: Partial<GeoEvent> = {}): GeoEvent => ({
  ...base(),
  geohash: null,
  ...over,
});

export const command = (over: Partial<SessionCommand> = {}): SessionCommand => ({
  command_id: nextEventId(),
  batch_id: null,
  tenant_id: TENANT,
  user_id: USER,
  requested_at: T0,
  kind: "REVOKE_ALL",
  session_id: null,
  device_id: null,
  channel: null,
  keep_session_id: null,
  reason: "user_request",
  actor: { type: "USER", id: USER, impersonator_id: null, ip: "41.82.0.1", user_agent: "curl" },
  ...over,
});

/** Of one second later, in force. */
export const anomaly = (over: Partial<SessionAnomaly> = {}): SessionAnomaly =>
  sampleAnomaly(T0 + SECOND_MS, { tenant_id: TENANT, user_id: USER, anomaly_id: "an-1", ...over });

/** SIRA answers it. */
export const decision = (over: Partial<RiskDecision> = {}): RiskDecision => ({
  decision_id: "de-1",
  tenant_id: TENANT,
  user_id: USER,
  session_id: "s-1",
  anomaly_id: null,
  action: "LOG_ONLY",
  decided_at: T0 + 5 * SECOND_MS,
  reason: "analyst",
  ...over,
});

/** The person asks to be erased, with all that happened until then. */
export const erasure = (over: Partial<SubjectErasure> = {}): SubjectErasure => ({
  erasure_id: "x-1",
  tenant_id: TENANT,
  user_id: USER,
  requested_at: T0,
  actor: { type: "USER", id: USER, impersonator_id: null },
  ...over,
});

/** A policy document as the topic holds it. */
export const policyRecord = (
  tenant_id: string,
  version: number,
  document: object,
): SessionPolicy => ({
  tenant_id,
  version,
  updated_at: T0,
  actor: { type: "ADMIN", id: "a-1", impersonator_id: null },
  document: JSON.stringify(document),
});

/** What of an event names its device. */
export const device = (device_id: string) => ({ device: { device_id, fingerprint: null } });

/** Records of sessions in short; null is a record that was removed. */
export const summary = (records: readonly (SessionState | null)[]) =>
  records.map((record) => (record === null ? null : `${record.session_id} ${record.status}`));

export const noContext: SessionContext = {
  userType: "UNKNOWN",
  orgId: null,
  roles: [],
  channel: "MOBILE",
  deviceId: null,
  userAgent: null,
  loginMethod: null,
  ipPrefix: null,
  ipHash: null,
  ipHashKeyId: null,
  country: null,
  city: null,
  upstreamSessionRef: null,
};

const MAX_EVENT_AGE_MS = 30 * DAY_MS;

export const settingAt = (nowMs: number, document: PolicyDocument = defaultPolicy): Setting => ({
  policy: { version: 0, document },
  outages: noOutages,
  heardUntilMs: nowMs,
  guard: guardOf(noLoad, nowMs),
  epochOver: () => null,
  nowMs,
  maxEventAgeMs: MAX_EVENT_AGE_MS,
});

/** Compiled once: types of its own for each driver would take most of the time of the long tests. */
const codecs = compiledOnce(memoryCodecs());

function compiledOnce(source: Codecs): Codecs {
  const decoders = new Map<TopicName, unknown>();
  const encoders = new Map<TopicName, unknown>();
  const kept = <T>(known: Map<TopicName, unknown>, topic: TopicName, make: () => T): T => {
    const value = known.get(topic) ?? make();
    known.set(topic, value);
    return value as T;
  };
  return {
    ...source,
    decoder: <V>(topic: TopicName) => kept(decoders, topic, () => source.decoder<V>(topic)),
    encoder: <V>(topic: TopicName) => kept(encoders, topic, () => source.encoder<V>(topic)),
  };
}

/** The service with the codecs of the contracts and an address digest that can be read. */
export const sessionsProcessorOf = () =>
  createSessions({
    codecs,
    digest: (_tenantId, ip) => ({ prefix: `${ip}/24`, hash: `hash-${ip}`, keyId: "k1" }),
    maxEventAgeMs: MAX_EVENT_AGE_MS,
    maxAheadMs: 300_000,
    log: silentLogger,
  });

/** The same in memory. */
export function sessionsDriver(startMs: number = T0) {
  const driver = createDriver(sessionsProcessorOf(), { startMs });
  const values = <V>(output: OutputName): readonly V[] =>
    driver.read<V>(output).map(({ value }) => value);
  return {
    driver,
    /** Feeds an event at the time at which it happened, after waking what is due before. */
    at(ms: number, topic: string, event: UserEvent): void {
      driver.advanceTo(ms);
      const value = { ...event, occurred_at: event.occurred_at === T0 ? ms : event.occurred_at };
      driver.pipe(topic, KEY, value);
    },
    /** The same for a command; by default it was asked for just then. */
    ask(ms: number, over: Partial<SessionCommand> = {}): void {
      driver.advanceTo(ms);
      driver.pipe("id.session.command", KEY, command({ requested_at: ms, ...over }));
    },
    /** The person asks to be erased, with all that happened up to `requestedAtMs`. */
    erase(ms: number, requestedAtMs = ms): void {
      driver.advanceTo(ms);
      driver.pipe("id.subject.erasure", KEY, erasure({ requested_at: requestedAtMs }));
    },
    /** An edge tells that it is there. */
    tick(ms: number): void {
      driver.advanceTo(ms);
      const tick: SessionTick = { writer: "edge-1", ticked_at: ms };
      driver.pipe("id.session.tick", "tick-0", tick);
    },
    /** A tenant's policy takes the place of the one before. */
    policy(document: object, version = 1, tenantId = TENANT): void {
      driver.setGlobal("policies", tenantId, policyRecord(tenantId, version, document));
    },
    /** Ids of the sessions that live. */
    live: (): readonly string[] => driver.state(KEY)?.live.map(({ id }) => id) ?? [],
    /** What was published since the last call. */
    published: () => values<SessionState | null>("began"),
    revoked: () => values<SessionRevoked>("revoked"),
    results: () => values<SessionCommandResult>("result"),
    anomalies: () => values<SessionAnomaly>("concurrent_sessions"),
    parts: () => values<SubjectErasurePart>("erased"),
    audits: () => values<AuditEvent>("audited"),
  };
}
