import { assert } from "@vigie/core/assert";
import type { Draft } from "../draft.ts";
import type { Session, Tombstone } from "../state.ts";

/** What every session begins with; its first record brings version and policy. */
export const newborn = {
  version: 0,
  policyVersion: 0,
  vouchedUntilMs: 0,
  stepUpRequiredAtMs: null,
  riskScore: 0,
  pending: false,
} as const;

/** A session begins; one whose end came first is put on record as the ended one that it is. */
export function appear(draft: Draft, session: Session): void {
  const tombstone = tombstoneOf(draft, session.id);
  draft.begin(session);
  if (tombstone === null) return;
  const begun = draft.live(session.id);
  assert(begun !== null, "the session has just begun");
  draft.unearth(tombstone, null);
  const { revocation } = tombstone;
  const atMs = Math.max(begun.createdAtMs, tombstone.atMs);
  if (revocation === null) draft.end(begun, { status: "LOGGED_OUT", reason: "logout", atMs });
  else draft.revoke(begun, revocation);
}

export const tombstoneOf = ({ state }: Draft, sessionId: string): Tombstone | null =>
  state.tombstones.find(({ id }) => id === sessionId) ?? null;
