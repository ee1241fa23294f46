import { drop, type Outcome, ok } from "@vigie/core/outcome";
import type { Draft } from "../draft.ts";
import { eventHash } from "../event-hash.ts";
import type { Change } from "../evolve.ts";
import type { Commanded, PasswordChanged, Scope } from "../input.ts";
import { passwordChange } from "../revocations.ts";
import { COMMAND_KEPT_MS, type EndedSession, type Revocation, type UserState } from "../state.ts";
import { barrierOf, means, raise, type WideScope } from "./barriers.ts";

type Decision = Outcome<readonly Change[]>;

/** Carries out a command, once. One that found nothing to revoke is carried out too: it has its result and its barrier. */
export function commanded(draft: Draft, input: Commanded): Decision {
  const { state, setting } = draft;
  const known = state.commands.some(
    ({ id, atMs }) => id === input.eventId && setting.nowMs - atMs < COMMAND_KEPT_MS,
  );
  if (known) return drop("duplicate");
  const { scope, reason, actor } = input;
  const revocation = {
    reason,
    actor: { type: actor.type, id: actor.id, impersonator_id: actor.impersonator_id },
    commandId: input.eventId,
    anomalyId: null,
    epochId: null,
  };
  const alreadyEnded = endedWithin(state, scope, input.keptSessionId);
  const revokedIds =
    scope.kind === "session"
      ? revokeOne(draft, scope.sessionId, input.atMs, revocation)
      : revokeAll(
          draft,
          { scope, atMs: input.beganByMs, keptSessionId: input.keptSessionId },
          revocation,
        );
  draft.apply({
    type: "done",
    batchId: input.batchId,
    scope,
    keptSessionId: input.keptSessionId,
    requestedAtMs: input.atMs,
    actor,
    revocation,
    revokedIds,
    alreadyEnded,
    atMs: setting.nowMs,
  });
  return ok(draft.changes);
}

/** REV-13: who knows the old password is out. */
export function passwordChanged(draft: Draft, input: PasswordChanged): Decision {
  const { atMs, keptSessionId } = input;
  revokeAll(draft, { scope: { kind: "user" }, atMs, keptSessionId }, passwordChange);
  return ok(draft.changes);
}

/**
 * A session that is named is revoked whenever it began: an id has one life, so repeating this harms nobody.
 * One that is not known yet finds its tombstone when it appears.
 */
export function revokeOne(
  draft: Draft,
  sessionId: string,
  atMs: number,
  revocation: Revocation,
): readonly string[] {
  const live = draft.live(sessionId);
  if (live !== null) {
    draft.revoke(live, revocation);
    return [sessionId];
  }
  if (!draft.hasEnded(sessionId)) draft.entomb(sessionId, atMs, revocation);
  return [];
}

interface Sweep {
  readonly scope: WideScope;
  /** Sessions that began later are left alone. */
  readonly atMs: number;
  readonly keptSessionId: string | null;
}

export function revokeAll(draft: Draft, sweep: Sweep, revocation: Revocation): readonly string[] {
  const { scope, atMs, keptSessionId } = sweep;
  const barrier = barrierOf(scope, atMs, keptSessionId, draft.setting.nowMs, revocation);
  const meant = draft.state.live.filter((session) => means(barrier, session));
  for (const session of meant) draft.revoke(session, revocation);
  raise(draft, barrier);
  return meant.map(({ id }) => id);
}

function endedWithin(state: UserState, scope: Scope, keptSessionId: string | null): number {
  const ended = state.ended.filter((entry) => entry.id !== keptSessionId && isWithin(entry, scope));
  const entombed = state.tombstones.some(
    ({ id }) => scope.kind === "session" && id === scope.sessionId,
  );
  return ended.length + (entombed ? 1 : 0);
}

function isWithin(ended: EndedSession, scope: Scope): boolean {
  switch (scope.kind) {
    case "session":
      return ended.id === scope.sessionId;
    case "device":
      return ended.deviceHash === eventHash(scope.deviceId);
    case "channel":
      return ended.channel === scope.channel;
    default:
      return true;
  }
}
