import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import type { Scope } from "../input.ts";
import { T0 } from "../testing.ts";

/**
 * What the rules of the design come to, said again in the plainest way: one list of sessions and one of everything
 * that was ever asked for, deadlines looked at whenever time moves. No merging, no bounds, no alarms.
 */

export interface Plain {
  readonly id: string;
  status: SessionState["status"] | "NEVER_SEEN";
  createdMs: number;
  startKnown: boolean;
  seenMs: number;
  endedMs: number | null;
  readonly channel: "MOBILE" | "WEB";
  device: string | null;
  /** In which order sessions came in. */
  order: number;
  /** How it ended before it was seen. */
  entombed: { readonly by: "logout" | "command"; readonly atMs: number } | null;
  misuseToldMs: number;
  /** Step-ups that were asked for up to then are answered. */
  vouchedMs: number;
}

interface Suspicion {
  readonly sessionId: string;
  readonly riskScore: number;
  readonly stepUpMs: number | null;
  readonly recordedMs: number;
}

export type AnomalyAction = "LOG_ONLY" | "STEP_UP" | "REVOKE";

interface Ban {
  readonly scope: Scope;
  readonly atMs: number;
  readonly keptId: string | null;
}

/** What a step must have brought besides the sessions' states. */
export interface Expected {
  revokedIds: string[];
  results: { revokedIds: string[]; alreadyEnded: number }[];
  misusedIds: string[];
}

const IDLE_MS = 30 * MINUTE_MS;
/** Source: design, epochs: "≤ not_before + 5 s"; a command's reach likewise, but never beyond its record. */
const SLACK_MS = 5 * SECOND_MS;

/** The number in a session's id says where it lives. */
export const channelOf = (id: string): "MOBILE" | "WEB" =>
  Number(id.slice(2)) % 2 === 0 ? "WEB" : "MOBILE";
export const deviceOf = (id: string): string | null => {
  const n = Number(id.slice(2)) % 3;
  return n === 0 ? null : `d-${n}`;
};

export class Model {
  nowMs = T0;
  readonly sessions = new Map<string, Plain>();
  expected: Expected = { revokedIds: [], results: [], misusedIds: [] };
  private readonly bans: Ban[] = [];
  private suspicions: Suspicion[] = [];
  private readonly commands = new Map<string, number>();
  private readonly limits: Limits;
  private order = 0;

  private readonly absoluteMs: number;

  constructor(limits: Limits, absoluteHours: number) {
    this.limits = limits;
    this.absoluteMs = absoluteHours * HOUR_MS;
  }

  login(id: string, atMs: number): void {
    const session = this.of(id);
    const hasEnded = session.status !== "ACTIVE" && session.status !== "NEVER_SEEN";
    if (!hasEnded) session.device = deviceOf(id);
    if (session.status === "ACTIVE") {
      session.createdMs = Math.min(session.createdMs, atMs);
      session.seenMs = Math.max(session.seenMs, atMs);
      session.startKnown = true;
    } else if (session.status === "NEVER_SEEN") this.begin(session, atMs, atMs, true);
    this.settle();
  }

  heartbeat(id: string, atMs: number, startedMs: number | null, hasDevice: boolean): void {
    const session = this.of(id);
    const device = hasDevice ? deviceOf(id) : null;
    if (session.status === "ACTIVE") {
      session.device ??= device;
      session.seenMs = Math.max(session.seenMs, atMs);
    } else if (session.status === "NEVER_SEEN") this.adopt(session, atMs, startedMs, device);
    else this.misuse(session, atMs);
    this.settle();
  }

  logout(id: string): void {
    const session = this.of(id);
    if (session.status === "ACTIVE") this.end(session, "LOGGED_OUT", this.nowMs);
    else if (session.status === "NEVER_SEEN") {
      session.entombed ??= { by: "logout", atMs: this.nowMs };
    }
    this.settle();
  }

  command(commandId: string, scope: Scope, atMs: number, keptId: string | null): void {
    const knownMs = this.commands.get(commandId);
    if (knownMs !== undefined && this.nowMs - knownMs < DAY_MS) return;
    this.commands.set(commandId, this.nowMs);
    this.endOutlived();
    const alreadyEnded = this.endedWithin(scope, keptId);
    const revokedIds =
      scope.kind === "session"
        ? this.revokeOne(scope.sessionId)
        : this.ban({ scope, atMs: Math.min(this.nowMs, atMs + SLACK_MS), keptId });
    this.expected.results.push({ revokedIds, alreadyEnded });
    this.settle();
  }

  passwordChanged(atMs: number, keptId: string | null): void {
    this.ban({ scope: { kind: "user" }, atMs, keptId });
    this.settle();
  }

  epoch(scope: Scope, notBeforeMs: number): void {
    this.ban({ scope, atMs: notBeforeMs + SLACK_MS, keptId: null });
    this.settle();
  }

  /** Of so few sessions the guard never holds a revocation back. */
  anomaly(id: string, action: AnomalyAction, atMs: number, riskScore: number): void {
    const session = this.of(id);
    const hasEnded = session.status !== "ACTIVE" && session.status !== "NEVER_SEEN";
    if (hasEnded || session.entombed !== null) return;
    const stepUpMs = action === "STEP_UP" ? atMs : null;
    if (action === "REVOKE") this.revokeOne(id);
    else this.suspicions.push({ sessionId: id, riskScore, stepUpMs, recordedMs: this.nowMs });
    this.settle();
  }

  secondFactor(id: string, atMs: number): void {
    const session = this.of(id);
    if (session.status === "ACTIVE") {
      session.seenMs = Math.max(session.seenMs, atMs);
      session.vouchedMs = Math.max(session.vouchedMs, atMs - 1);
    }
    this.settle();
  }

  /** Highest risk, and since when a second factor is asked for. */
  weight({ id, vouchedMs }: Plain): {
    readonly riskScore: number;
    readonly stepUpMs: number | null;
  } {
    const own = this.suspicions.filter(({ sessionId }) => sessionId === id);
    const riskScore = Math.max(0, ...own.map((each) => each.riskScore));
    const stepUpMs = Math.max(0, ...own.map((each) => each.stepUpMs ?? 0));
    return { riskScore, stepUpMs: stepUpMs > vouchedMs ? stepUpMs : null };
  }

  pass(ms: number): void {
    this.nowMs += ms;
    // A session that an anomaly names is waited for so long.
    this.suspicions = this.suspicions.filter(
      ({ sessionId, recordedMs }) =>
        this.of(sessionId).status === "ACTIVE" || this.nowMs - recordedMs < DAY_MS,
    );
    for (const session of this.active()) this.endIfOver(session);
  }

  active(): Plain[] {
    return [...this.sessions.values()].filter(({ status }) => status === "ACTIVE");
  }

  private endIfOver(session: Plain): void {
    const idleMs = session.seenMs + IDLE_MS;
    const absoluteMs = session.createdMs + this.absoluteMs;
    const endMs = Math.min(idleMs, absoluteMs);
    if (this.nowMs < endMs) return;
    this.end(session, idleMs < absoluteMs ? "IDLE_EXPIRED" : "EXPIRED", endMs);
  }

  /** What nothing that comes later can prolong. */
  private endOutlived(): void {
    for (const session of this.active()) {
      if (this.nowMs >= session.createdMs + this.absoluteMs) this.endIfOver(session);
    }
  }

  private begin(session: Plain, createdMs: number, seenMs: number, startKnown: boolean): void {
    this.order += 1;
    const { order } = this;
    Object.assign(session, { status: "ACTIVE", createdMs, seenMs, startKnown, order });
    const { entombed } = session;
    if (entombed?.by === "logout") {
      this.end(session, "LOGGED_OUT", Math.max(createdMs, entombed.atMs));
    } else if (entombed?.by === "command") this.revoke(session);
  }

  private adopt(
    session: Plain,
    atMs: number,
    startedMs: number | null,
    device: string | null,
  ): void {
    if (session.entombed?.by === "logout" || this.nowMs - atMs >= IDLE_MS) return;
    const startKnown = startedMs !== null;
    if (this.nowMs >= Math.min(startedMs ?? atMs, atMs) + this.absoluteMs) return;
    const seen = { ...session, device: session.device ?? device, startKnown };
    const mayBeBanned = !startKnown && this.bans.some((ban) => bans(ban, seen));
    if (mayBeBanned && session.entombed === null) return;
    session.device ??= device;
    this.begin(session, Math.min(startedMs ?? atMs, atMs), atMs, startKnown);
  }

  private misuse(session: Plain, atMs: number): void {
    if (session.status !== "REVOKED" || atMs - (session.endedMs ?? 0) <= MINUTE_MS) return;
    if (this.nowMs - session.misuseToldMs < HOUR_MS) return;
    session.misuseToldMs = this.nowMs;
    this.expected.misusedIds.push(session.id);
  }

  private revokeOne(id: string): string[] {
    const session = this.of(id);
    if (session.status === "ACTIVE") {
      this.revoke(session);
      return [id];
    }
    if (session.status === "NEVER_SEEN") session.entombed ??= { by: "command", atMs: this.nowMs };
    return [];
  }

  private ban(ban: Ban): string[] {
    this.bans.push(ban);
    const meant = this.active().filter((session) => bans(ban, session));
    for (const session of meant) this.revoke(session);
    return meant.map(({ id }) => id);
  }

  /** Nobody lives against a ban, and no more live than may. */
  private settle(): void {
    for (const session of this.active()) {
      if (this.bans.some((ban) => bans(ban, session))) this.revoke(session);
    }
    const isExceeded = this.limits.some((limit) => this.beyond(limit).length > 0);
    if (isExceeded) this.pass(0);
    for (const limit of this.limits) for (const session of this.beyond(limit)) this.revoke(session);
  }

  private beyond({ channel, count }: Limits[number]): Plain[] {
    const counted = this.active()
      .filter((session) => channel === null || session.channel === channel)
      .sort((a, b) => a.createdMs - b.createdMs || a.order - b.order);
    return counted.slice(0, Math.max(0, counted.length - count));
  }

  private endedWithin(scope: Scope, keptId: string | null): number {
    let count = 0;
    for (const session of this.sessions.values()) {
      const isNamed = scope.kind === "session" && scope.sessionId === session.id;
      if (session.status === "NEVER_SEEN") {
        if (isNamed && session.entombed !== null) count += 1;
      } else if (session.status !== "ACTIVE" && session.id !== keptId) {
        if (isNamed || isOf(scope, session)) count += 1;
      }
    }
    return count;
  }

  private revoke(session: Plain): void {
    this.end(session, "REVOKED", this.nowMs);
    this.expected.revokedIds.push(session.id);
  }

  private end(session: Plain, status: Plain["status"], endedMs: number): void {
    Object.assign(session, { status, endedMs });
  }

  private of(id: string): Plain {
    const known = this.sessions.get(id);
    if (known !== undefined) return known;
    const session: Plain = {
      id,
      status: "NEVER_SEEN",
      createdMs: 0,
      startKnown: false,
      seenMs: 0,
      endedMs: null,
      channel: channelOf(id),
      device: null,
      order: 0,
      entombed: null,
      misuseToldMs: Number.NEGATIVE_INFINITY,
      vouchedMs: 0,
    };
    this.sessions.set(id, session);
    return session;
  }
}

/** Channels first, then all together: null. */
export type Limits = readonly { readonly channel: string | null; readonly count: number }[];

function isOf(scope: Scope, session: Plain): boolean {
  if (scope.kind === "device") return session.device === scope.deviceId;
  if (scope.kind === "channel") return session.channel === scope.channel;
  return scope.kind === "user";
}

function bans({ scope, atMs, keptId }: Ban, session: Plain): boolean {
  if (session.id === keptId || !isOf(scope, session)) return false;
  return !session.startKnown || session.createdMs <= atMs;
}
