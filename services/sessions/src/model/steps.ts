import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type {
  AuditEvent,
  SessionAnomaly,
  SessionCommandResult,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "@vigie/schemas/types";
import fc from "fast-check";
import type { Scope } from "../input.ts";
import {
  anomaly,
  command,
  heartbeat,
  KEY,
  login,
  logout,
  mfa,
  policyRecord,
  sessionsDriver,
  TENANT,
} from "../testing.ts";
import { type AnomalyAction, channelOf, deviceOf, type Limits, Model } from "./model.ts";

/** The service beside the model, and what a reader of its topics knows. */
export interface World {
  readonly model: Model;
  readonly real: ReturnType<typeof sessionsDriver>;
  readonly topic: Map<string, SessionState>;
  auditSeq: number;
}

export interface ModelPolicy {
  readonly limits: {
    readonly count: number;
    readonly per_channel: Readonly<Record<string, number>>;
  };
  readonly absoluteHours: number;
}

export function worldOf({ limits: policy, absoluteHours }: ModelPolicy): World {
  const real = sessionsDriver();
  const document = {
    max_concurrent_sessions: policy,
    absolute_timeout: { hours: absoluteHours },
  };
  real.driver.setGlobal("policies", TENANT, policyRecord(TENANT, 1, document));
  const limits: Limits = [
    ...Object.entries(policy.per_channel).map(([channel, count]) => ({ channel, count })),
    { channel: null, count: policy.count },
  ];
  return { model: new Model(limits, absoluteHours), real, topic: new Map(), auditSeq: 0 };
}

/** Of a user who is alone in the tenant. */
type EpochScope = Extract<Scope, { readonly kind: "user" | "channel" }>;

export type Step =
  | { readonly do: "login"; readonly id: string; readonly lateMs: number }
  | {
      readonly do: "heartbeat";
      readonly id: string;
      readonly lateMs: number;
      readonly startedAgoMs: number | null;
      readonly hasDevice: boolean;
    }
  | { readonly do: "logout"; readonly id: string }
  | {
      readonly do: "command";
      readonly id: string;
      readonly scope: Scope;
      readonly lateMs: number;
      readonly keptId: string | null;
      /** It comes so much later, before time is looked at. */
      readonly unwokenMs: number;
    }
  | { readonly do: "password"; readonly lateMs: number; readonly keptId: string | null }
  | {
      readonly do: "anomaly";
      readonly id: string;
      readonly action: AnomalyAction;
      readonly lateMs: number;
      readonly riskScore: number;
    }
  | { readonly do: "factor"; readonly id: string; readonly lateMs: number }
  | { readonly do: "epoch"; readonly scope: EpochScope; readonly lateMs: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "restart" };

/** Takes a step in both, and finds every difference. `fault` changes what the service is fed. */
export function take(world: World, step: Step, fault: (step: Step) => Step = (same) => same): void {
  const { model, real } = world;
  model.expected = { revokedIds: [], results: [], misusedIds: [] };
  const { nowMs } = model;
  takeInModel(model, step);
  takeInReal(real.driver, fault(step), nowMs);
  // Time is looked at once more: a login may come in after its own deadline.
  model.pass(0);
  real.driver.advanceTo(model.nowMs);
  agree(world);
}

function takeInModel(model: Model, step: Step): void {
  const { nowMs } = model;
  switch (step.do) {
    case "login":
      model.login(step.id, nowMs - step.lateMs);
      break;
    case "heartbeat": {
      const { id, lateMs, startedAgoMs, hasDevice } = step;
      const startedMs = startedAgoMs === null ? null : nowMs - startedAgoMs;
      model.heartbeat(id, nowMs - lateMs, startedMs, hasDevice);
      break;
    }
    case "logout":
      model.logout(step.id);
      break;
    case "command":
      model.nowMs += step.unwokenMs;
      model.command(step.id, step.scope, model.nowMs - step.lateMs, step.keptId);
      break;
    case "password":
      model.passwordChanged(nowMs - step.lateMs, step.keptId);
      break;
    case "anomaly":
      model.anomaly(step.id, step.action, nowMs - step.lateMs, step.riskScore);
      break;
    case "factor":
      model.secondFactor(step.id, nowMs - step.lateMs);
      break;
    case "epoch":
      model.epoch(step.scope, nowMs - step.lateMs);
      break;
    case "pass":
      model.pass(step.ms);
      break;
    default: // A restart changes nothing.
  }
}

function takeInReal(driver: World["real"]["driver"], step: Step, nowMs: number): void {
  switch (step.do) {
    case "login": {
      const occurred_at = nowMs - step.lateMs;
      driver.pipe("id.login", KEY, login({ ...wordsOf(step.id, true), occurred_at }));
      break;
    }
    case "heartbeat": {
      const { id, lateMs, startedAgoMs, hasDevice } = step;
      const session_started_at = startedAgoMs === null ? null : nowMs - startedAgoMs;
      const times = { occurred_at: nowMs - lateMs, session_started_at };
      driver.pipe("id.heartbeat", KEY, heartbeat({ ...wordsOf(id, hasDevice), ...times }));
      break;
    }
    case "logout": {
      const event = logout({ session_id: step.id, occurred_at: nowMs });
      driver.pipe("id.login", KEY, event);
      break;
    }
    case "command": {
      const { id: command_id, lateMs, keptId: keep_session_id } = step;
      const timestampMs = nowMs + step.unwokenMs;
      const words = { command_id, keep_session_id, requested_at: timestampMs - lateMs };
      const asked = command({ ...words, ...kindOf(step.scope) });
      driver.pipe("id.session.command", KEY, asked, { timestampMs });
      break;
    }
    case "password": {
      const words = { occurred_at: nowMs - step.lateMs, session_id: step.keptId };
      driver.pipe("id.login", KEY, login({ kind: "PASSWORD_CHANGED", ...words }));
      break;
    }
    case "anomaly":
      driver.pipe("id.session.anomaly", KEY, anomalyOf(step, nowMs - step.lateMs));
      break;
    case "factor": {
      const occurred_at = nowMs - step.lateMs;
      driver.pipe("id.mfa", KEY, mfa({ ...wordsOf(step.id, false), occurred_at }));
      break;
    }
    case "epoch": {
      const epoch = epochOf(step.scope, nowMs - step.lateMs);
      driver.setGlobal("epochs", `${TENANT}|${epoch.scope}|${epoch.value ?? ""}`, epoch);
      break;
    }
    case "restart":
      driver.restore();
      break;
    default: // Time passes for both alike.
  }
}

const wordsOf = (session_id: string, hasDevice: boolean) => ({
  session_id,
  channel: channelOf(session_id),
  device: hasDevice ? { device_id: deviceOf(session_id), fingerprint: null } : null,
});

function kindOf(scope: Scope) {
  switch (scope.kind) {
    case "session":
      return { kind: "REVOKE_SESSION", session_id: scope.sessionId } as const;
    case "device":
      return { kind: "REVOKE_DEVICE", device_id: scope.deviceId } as const;
    case "channel":
      return { kind: "REVOKE_CHANNEL", channel: scope.channel } as const;
    default:
      return { kind: "REVOKE_ALL" } as const;
  }
}

const epochOf = (scope: EpochScope, not_before: number): SessionEpoch => ({
  epoch_id: "ep-1",
  tenant_id: TENANT,
  scope: scope.kind === "user" ? "TENANT" : "CHANNEL",
  value: scope.kind === "user" ? null : scope.channel,
  not_before,
  reason: "security_incident",
  actor: { type: "ADMIN", id: "a-1", impersonator_id: null },
});

let anomalies = 0;

function anomalyOf(
  { id, action, riskScore }: Extract<Step, { readonly do: "anomaly" }>,
  occurred_at: number,
): SessionAnomaly {
  anomalies += 1;
  return anomaly({
    anomaly_id: `an-${anomalies}`,
    session_id: id,
    risk_score: riskScore,
    action,
    occurred_at,
    detected_at: occurred_at,
  });
}

function agree(world: World): void {
  readTopic(world);
  statesAgree(world);
  sideEffectsAgree(world);
}

function readTopic({ real, topic }: World): void {
  for (const { key, value } of real.driver.read<SessionState>("began")) {
    const id = key.slice(KEY.length + 1);
    assert.ok(value !== null, "nothing is forgotten within the time of this test");
    assert.ok(value.version > (topic.get(id)?.version ?? 0), "versions grow");
    topic.set(id, value);
  }
}

function statesAgree({ model, topic }: World): void {
  for (const [id, plain] of model.sessions) {
    const record = topic.get(id);
    assert.equal(record?.status ?? "NEVER_SEEN", plain.status, id);
    if (record === undefined) continue;
    assert.equal(record.ended_at, plain.endedMs);
    assert.equal(record.created_at, plain.createdMs);
    // A sighting may wait for 30 s, then it is on the topic.
    if (record.last_seen_at !== plain.seenMs) assert.ok(model.nowMs - record.version < 30_000);
    if (plain.status !== "ACTIVE") continue;
    const { riskScore, stepUpMs } = model.weight(plain);
    assert.deepEqual([record.risk_score, record.step_up_required_at], [riskScore, stepUpMs], id);
  }
}

const sorted = (ids: readonly string[]): string[] => [...ids].sort();

function sideEffectsAgree(world: World): void {
  const { real, model } = world;
  const { revokedIds, results, misusedIds } = model.expected;
  const read = <V>(output: Parameters<typeof real.driver.read>[0]): V[] =>
    real.driver.read<V>(output).map(({ value }) => value);
  const told = read<SessionRevoked>("revoked").map(({ session_id }) => session_id);
  assert.deepEqual(sorted(told), sorted(revokedIds), "each revocation is told once");
  assert.deepEqual(
    read<SessionCommandResult>("result").map(({ revoked_session_ids, already_ended }) => ({
      revokedIds: sorted(revoked_session_ids),
      alreadyEnded: already_ended,
    })),
    results.map((result) => ({ ...result, revokedIds: sorted(result.revokedIds) })),
  );
  const misuses = read<SessionAnomaly>("revoked_session_use");
  assert.deepEqual(
    misuses.filter(({ kind }) => kind === "revoked_session_use").map((each) => each.session_id),
    misusedIds,
  );
  const audited: string[] = [];
  let commands = 0;
  for (const { emitter_seq, payload } of read<AuditEvent>("audited")) {
    world.auditSeq += 1;
    assert.equal(emitter_seq, world.auditSeq, "audit numbers have no gap");
    const { session_ids, scope } = JSON.parse(payload);
    audited.push(...session_ids);
    if (scope !== undefined) commands += 1;
  }
  assert.deepEqual(sorted(audited), sorted(revokedIds), "each revocation is audited once");
  assert.equal(commands, results.length, "each command is audited once");
}

const id = fc.nat({ max: 7 }).map((n) => `s-${n}`);
const late = fc.oneof(fc.constant(0), fc.nat({ max: 45 * MINUTE_MS }));
const kept = fc.option(id, { freq: 2 });
const everybody: fc.Arbitrary<EpochScope> = fc.constant({ kind: "user" });
const ofChannel: fc.Arbitrary<EpochScope> = fc
  .constantFrom("MOBILE", "WEB")
  .map((channel) => ({ kind: "channel", channel }) as const);
const scope: fc.Arbitrary<Scope> = fc.oneof(
  id.map((sessionId) => ({ kind: "session", sessionId }) as const),
  everybody,
  ofChannel,
  fc.constantFrom("d-1", "d-2").map((deviceId) => ({ kind: "device", deviceId }) as const),
);
const commandId = fc.nat({ max: 12 }).map((n) => `c-${n}`);

export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant("login"), id, lateMs: late }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant("heartbeat"),
      id,
      lateMs: late,
      startedAgoMs: fc.option(fc.nat({ max: 2 * HOUR_MS })),
      hasDevice: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("logout"), id }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("command"),
      id: commandId,
      scope,
      lateMs: late,
      keptId: kept,
      unwokenMs: fc.oneof(fc.constant(0), fc.nat({ max: 20 * MINUTE_MS })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("password"), lateMs: late, keptId: kept }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("anomaly"),
      id,
      action: fc.constantFrom<AnomalyAction>("LOG_ONLY", "STEP_UP", "STEP_UP", "REVOKE"),
      lateMs: late,
      riskScore: fc.nat({ max: 100 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("factor"), id, lateMs: late }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("epoch"),
      scope: fc.oneof(everybody, ofChannel),
      lateMs: late,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat({ max: MINUTE_MS }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat({ max: 40 * MINUTE_MS }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart") }) },
);

export const anyPolicy: fc.Arbitrary<ModelPolicy> = fc.record({
  limits: fc.constantFrom(
    { count: 5, per_channel: {} },
    { count: 4, per_channel: { WEB: 2 } },
    { count: 3, per_channel: { WEB: 1, MOBILE: 3 } },
  ),
  absoluteHours: fc.constantFrom(720, 1),
});
