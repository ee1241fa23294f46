import type { Outages } from "@vigie/core/outages";
import type { VersionedPolicy } from "@vigie/core/policy";
import { deadlinesOf, longestLifeMs } from "@vigie/core/session-deadlines";
import { DAY_MS } from "@vigie/core/time";
import type { EpochOver } from "./epochs.ts";
import { type Change, type Ended, evolve, sameScope } from "./evolve.ts";
import type { Guard } from "./guard.ts";
import { sessionLimit } from "./revocations.ts";
import {
  BARRIERS_PER_USER_MAX,
  type Barrier,
  ENDED_PER_USER_MAX,
  type EndedSession,
  type EndStatus,
  LIVE_PER_USER_MAX,
  type Revocation,
  type Session,
  SUSPICIONS_PER_USER_MAX,
  type Suspicion,
  TOMBSTONES_PER_USER_MAX,
  type Tombstone,
  type UserState,
} from "./state.ts";

/** What a decision may look at besides state and input. */
export interface Setting {
  readonly policy: VersionedPolicy;
  readonly outages: Outages;
  /** Up to when an edge has told that it was there; at most `nowMs`. */
  readonly heardUntilMs: number;
  readonly guard: Guard;
  /** The epoch that revokes a session, as a revocation, or null. */
  readonly epochOver: EpochOver;
  /** Record time of an input, the wall clock of a wake-up. */
  readonly nowMs: number;
  /** Events older than this are refused at the door, so nothing needs to be remembered for longer. */
  readonly maxEventAgeMs: number;
}

/** How a session ended by itself or by its user; a revocation is another matter. */
export interface Ending {
  readonly status: Exclude<EndStatus, "REVOKED">;
  readonly reason: string;
  readonly atMs: number;
}

/** Changes decided so far, and the state that they lead to. Bounds are kept here: room is made before it is needed. */
export class Draft {
  readonly changes: Change[] = [];
  readonly setting: Setting;
  state: UserState;

  constructor(state: UserState, setting: Setting) {
    this.state = state;
    this.setting = setting;
  }

  apply(change: Change): void {
    this.changes.push(change);
    this.state = evolve(this.state, change);
  }

  live(id: string): Session | null {
    return this.state.live.find((session) => session.id === id) ?? null;
  }

  /** Whether a session ended, or will the moment that it appears. */
  hasEnded(id: string): boolean {
    const same = (entry: { readonly id: string }): boolean => entry.id === id;
    return this.state.ended.some(same) || this.state.tombstones.some(same);
  }

  begin(session: Session): void {
    if (this.state.live.length >= LIVE_PER_USER_MAX) {
      const stalest = this.state.live.reduce((a, b) => (b.lastSeenMs < a.lastSeenMs ? b : a));
      this.revoke(stalest, sessionLimit);
    }
    this.apply({ type: "began", session: this.published(session) });
  }

  /** pending: the change may wait for a later record. */
  update(session: Session, pending: boolean): void {
    const next = pending ? { ...session, pending } : this.published(session);
    this.apply({ type: "updated", session: next });
  }

  end(session: Session, ending: Ending): void {
    this.#end(session, { ...ending, revocation: null });
  }

  /** Ends a live session at once; whoever honours it is told. */
  revoke(session: Session, revocation: Revocation, atMs = this.setting.nowMs): void {
    const { reason } = revocation;
    this.#end(session, { status: "REVOKED", reason, atMs, revocation });
  }

  #end(session: Session, ending: Omit<Ended, "type" | "session" | "forgetAtMs">): void {
    if (this.state.ended.length >= ENDED_PER_USER_MAX) {
      const oldest = this.state.ended.reduce(sooner);
      // A version is at least the record time of the end: whatever began before that is refused from here on.
      this.forget(oldest, oldest.version);
    }
    const { policy, outages } = this.setting;
    const { absoluteExpiresAtMs } = deadlinesOf(session, policy.document, outages);
    this.apply({
      type: "ended",
      session: this.published(session),
      ...ending,
      forgetAtMs: Math.max(absoluteExpiresAtMs, this.setting.nowMs) + this.setting.maxEventAgeMs,
    });
  }

  clear({ id }: EndedSession): void {
    this.apply({ type: "cleared", sessionId: id });
  }

  /** Its record is removed with it, if that has not been done before. */
  forget(ended: EndedSession, notBeforeMs: number | null): void {
    if (!ended.isCleared) this.clear(ended);
    this.apply({ type: "forgotten", sessionId: ended.id, notBeforeMs });
  }

  /** revocation: null for a logout. */
  entomb(id: string, atMs: number, revocation: Revocation | null): void {
    if (this.state.tombstones.length >= TOMBSTONES_PER_USER_MAX) {
      const oldest = this.state.tombstones.reduce(sooner);
      this.unearth(oldest, oldest.recordedAtMs);
    }
    const { nowMs } = this.setting;
    const forgetAtMs = outlivedAtMs(nowMs, this.setting);
    this.apply({
      type: "entombed",
      tombstone: { id, atMs, recordedAtMs: nowMs, forgetAtMs, revocation },
    });
  }

  unearth(tombstone: Tombstone, notBeforeMs: number | null): void {
    this.apply({ type: "unearthed", sessionId: tombstone.id, notBeforeMs });
  }

  bar(barrier: Barrier): void {
    const others = this.state.barriers.filter((other) => !sameScope(other, barrier));
    if (others.length >= BARRIERS_PER_USER_MAX) {
      const oldest = others.reduce((a, b) => (b.atMs < a.atMs ? b : a));
      this.unbar(oldest, oldest.atMs);
    }
    this.apply({ type: "barred", barrier });
  }

  /** In the place of what is held for the same cause. */
  suspect(suspicion: Suspicion): void {
    const others = this.state.suspicions.filter(
      ({ causeHash }) => causeHash !== suspicion.causeHash,
    );
    const suspicions = [...others, suspicion].slice(-SUSPICIONS_PER_USER_MAX);
    this.apply({ type: "suspected", suspicions });
  }

  unbar(barrier: Barrier, notBeforeMs: number | null): void {
    this.apply({ type: "unbarred", barrier, notBeforeMs });
  }

  /** With the version of the record that is about to be published: its time, and strictly above the last. */
  private published(session: Session): Session {
    return {
      ...session,
      version: Math.max(this.setting.nowMs, session.version + 1),
      policyVersion: this.setting.policy.version,
      pending: false,
    };
  }
}

/** PRV-13: when the record of an ended session has been kept for as long as the policy says. */
export const clearAtMs = (ended: EndedSession, { policy }: Setting): number =>
  ended.version + policy.document.session_retention.days * DAY_MS;

/** When nothing can be admitted any more of a session that began at or before this. */
export const outlivedAtMs = (startMs: number, { policy, maxEventAgeMs }: Setting): number =>
  startMs + longestLifeMs(policy.document) + maxEventAgeMs;

const sooner = <T extends { readonly forgetAtMs: number }>(a: T, b: T): T =>
  b.forgetAtMs < a.forgetAtMs ? b : a;
