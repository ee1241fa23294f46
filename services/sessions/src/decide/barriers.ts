import type { Draft } from "../draft.ts";
import type { Epochable } from "../epochs.ts";
import { sameScope } from "../evolve.ts";
import type { Scope } from "../input.ts";
import type { Barrier, BarrierScope, Revocation, Session } from "../state.ts";

/** A scope other than one session, which has its tombstone. */
export type WideScope = Exclude<Scope, { readonly kind: "session" }>;

/** What of a session decides whether a barrier means it. */
export type Barrable = Pick<Session, "id" | "channel" | "deviceId" | "createdAtMs" | "startKnown">;

/** When a session began, as far as barriers are concerned: an unknown start is older than every one of them. */
export const startMs = ({ createdAtMs, startKnown }: Barrable): number =>
  startKnown ? createdAtMs : Number.NEGATIVE_INFINITY;

export function barrierOf(
  scope: WideScope,
  atMs: number,
  sparedId: string | null,
  recordedAtMs: number,
  revocation: Revocation,
): Barrier {
  const value = nameOf(scope);
  return { scope: scope.kind, value, atMs, sparedId, sparedAtMs: 0, recordedAtMs, revocation };
}

function nameOf(scope: WideScope): string {
  if (scope.kind === "device") return scope.deviceId;
  return scope.kind === "channel" ? scope.channel : "";
}

/** Puts a barrier up, together with one that stands there. */
export function raise(draft: Draft, barrier: Barrier): void {
  const standing = draft.state.barriers.find((other) => sameScope(other, barrier));
  draft.bar(standing === undefined ? barrier : joined(standing, barrier));
}

/** Means every session that either of the two means; only the one that the later spares may be spared. */
export function joined(one: Barrier, other: Barrier): Barrier {
  const [later, earlier] = other.atMs >= one.atMs ? [other, one] : [one, other];
  const { sparedId } = later;
  return {
    ...later,
    sparedAtMs: sparedId === null ? 0 : Math.max(later.sparedAtMs, boundOf(earlier, sparedId)),
    recordedAtMs: Math.max(one.recordedAtMs, other.recordedAtMs),
  };
}

/** The latest start of this session at which the barrier means it. */
const boundOf = (barrier: Barrier, sessionId: string): number =>
  barrier.sparedId === sessionId ? barrier.sparedAtMs : barrier.atMs;

const fieldOf: Readonly<Record<BarrierScope, (session: Barrable) => string | null>> = {
  user: () => "",
  device: ({ deviceId }) => deviceId,
  channel: ({ channel }) => channel,
};

export function means(barrier: Barrier, session: Barrable): boolean {
  if (fieldOf[barrier.scope](session) !== barrier.value) return false;
  const boundMs = boundOf(barrier, session.id);
  return boundMs > 0 && startMs(session) <= boundMs;
}

/** What revokes a session for when it began, a barrier of its user or an epoch; or null. */
export const revocationBefore = (
  { setting, state }: Draft,
  session: Barrable & Epochable,
): Revocation | null =>
  state.barriers.find((barrier) => means(barrier, session))?.revocation ??
  setting.epochOver(session);
