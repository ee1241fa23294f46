import assert from "node:assert/strict";
import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import fc from "fast-check";
import { test } from "vitest";
import { heartbeat, KEY, login, logout, sessionsDriver, T0 } from "./testing.ts";

/**
 * What the rules of the design come to, said again in the plainest way: one list of sessions, deadlines looked at
 * whenever time moves. The service, with its alarms, codec and throttled records, must agree at every step.
 */
interface Model {
  nowMs: number;
  sessions: Map<string, Plain>;
}

interface Plain {
  status: SessionState["status"] | "NEVER_SEEN";
  createdMs: number;
  seenMs: number;
  /** Whether the topic must hold the last sighting already: 30 s have passed without a new one. */
  endedMs: number | null;
}

interface Real extends ReturnType<typeof sessionsDriver> {
  /** The compacted topic as a reader sees it. */
  topic: Map<string, SessionState>;
}

const IDLE_MS = 30 * MINUTE_MS;
const ABSOLUTE_MS = 720 * HOUR_MS;

function passTime(model: Model, ms: number): void {
  model.nowMs += ms;
  for (const session of model.sessions.values()) {
    if (session.status !== "ACTIVE") continue;
    const idleMs = session.seenMs + IDLE_MS;
    const absoluteMs = session.createdMs + ABSOLUTE_MS;
    const endMs = Math.min(idleMs, absoluteMs);
    if (model.nowMs < endMs) continue;
    session.status = idleMs < absoluteMs ? "IDLE_EXPIRED" : "EXPIRED";
    session.endedMs = endMs;
  }
}

function readTopic(real: Real): void {
  for (const { key, value } of real.driver.read<SessionState>("began")) {
    const id = key.slice(KEY.length + 1);
    const before = real.topic.get(id);
    assert.ok(value !== null, "nothing is forgotten within the time of this test");
    assert.ok(value.version > (before?.version ?? 0), "versions grow");
    real.topic.set(id, value);
  }
}

function agree(model: Model, real: Real): void {
  readTopic(real);
  for (const [id, plain] of model.sessions) {
    const record = real.topic.get(id);
    assert.equal(record?.status ?? "NEVER_SEEN", plain.status, id);
    if (record === undefined) continue;
    assert.equal(record.ended_at, plain.endedMs);
    assert.equal(record.created_at, plain.createdMs);
    // A sighting may wait for 30 s, then it is on the topic.
    if (record.last_seen_at !== plain.seenMs) assert.ok(model.nowMs - record.version < 30_000);
  }
}

type SessionCommand = fc.Command<Model, Real>;

class Login implements SessionCommand {
  readonly id: string;
  readonly lateMs: number;
  constructor(id: string, lateMs: number) {
    this.id = id;
    this.lateMs = lateMs;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    const atMs = model.nowMs - this.lateMs;
    const known = model.sessions.get(this.id);
    if (known === undefined) {
      model.sessions.set(this.id, {
        status: "ACTIVE",
        createdMs: atMs,
        seenMs: atMs,
        endedMs: null,
      });
    } else if (known.status === "NEVER_SEEN") {
      known.status = "LOGGED_OUT";
      known.createdMs = atMs;
      known.seenMs = atMs;
      known.endedMs = Math.max(known.endedMs ?? 0, atMs);
    } else if (known.status === "ACTIVE") {
      known.createdMs = Math.min(known.createdMs, atMs);
      known.seenMs = Math.max(known.seenMs, atMs);
    }
    real.driver.pipe("id.login", KEY, login({ session_id: this.id, occurred_at: atMs }));
    // Time is looked at once more: a login may come in after its own deadline.
    passTime(model, 0);
    real.driver.advanceTo(model.nowMs);
    agree(model, real);
  }
  toString = (): string => `login ${this.id}, ${this.lateMs} ms late`;
}

class Heartbeat implements SessionCommand {
  readonly id: string;
  readonly lateMs: number;
  constructor(id: string, lateMs: number) {
    this.id = id;
    this.lateMs = lateMs;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    const atMs = model.nowMs - this.lateMs;
    const known = model.sessions.get(this.id);
    if (known === undefined && this.lateMs < IDLE_MS) {
      model.sessions.set(this.id, {
        status: "ACTIVE",
        createdMs: atMs,
        seenMs: atMs,
        endedMs: null,
      });
    } else if (known?.status === "ACTIVE") known.seenMs = Math.max(known.seenMs, atMs);
    real.driver.pipe("id.heartbeat", KEY, heartbeat({ session_id: this.id, occurred_at: atMs }));
    agree(model, real);
  }
  toString = (): string => `heartbeat ${this.id}, ${this.lateMs} ms late`;
}

class Logout implements SessionCommand {
  readonly id: string;
  constructor(id: string) {
    this.id = id;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    const known = model.sessions.get(this.id);
    if (known === undefined) {
      const never = { status: "NEVER_SEEN", createdMs: 0, seenMs: 0 } as const;
      model.sessions.set(this.id, { ...never, endedMs: model.nowMs });
    } else if (known.status === "ACTIVE") {
      known.status = "LOGGED_OUT";
      known.endedMs = model.nowMs;
    }
    const event = logout({ session_id: this.id, occurred_at: model.nowMs });
    real.driver.pipe("id.login", KEY, event);
    agree(model, real);
  }
  toString = (): string => `logout ${this.id}`;
}

class Pass implements SessionCommand {
  readonly ms: number;
  constructor(ms: number) {
    this.ms = ms;
  }
  check = (): boolean => true;
  run(model: Model, real: Real): void {
    passTime(model, this.ms);
    real.driver.advanceTo(model.nowMs);
    agree(model, real);
  }
  toString = (): string => `${this.ms} ms pass`;
}

const id = fc.constantFrom("s-1", "s-2", "s-3");
const late = fc.oneof(fc.constant(0), fc.nat({ max: 45 * MINUTE_MS }));
const commands = [
  fc.tuple(id, late).map(([session, ms]) => new Login(session, ms)),
  fc.tuple(id, late).map(([session, ms]) => new Heartbeat(session, ms)),
  id.map((session) => new Logout(session)),
  fc.nat({ max: MINUTE_MS }).map((ms) => new Pass(ms)),
  fc.nat({ max: 40 * MINUTE_MS }).map((ms) => new Pass(ms)),
];

/** Full runs take the variable that the whole suite knows. */
const numRuns = process.env.VIGIE_TEST_FULL === "1" ? 5_000 : 300;

test("HBT-02, HBT-03: the service agrees with the plain model at every step", () => {
  fc.assert(
    fc.property(fc.commands(commands, { maxCommands: 60, size: "max" }), (steps) => {
      fc.modelRun(
        () => ({
          model: { nowMs: T0, sessions: new Map() },
          real: { ...sessionsDriver(), topic: new Map() },
        }),
        steps,
      );
    }),
    { numRuns },
  );
});
