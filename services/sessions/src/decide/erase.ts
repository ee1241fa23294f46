import { type Outcome, ok } from "@vigie/core/outcome";
import type { Draft } from "../draft.ts";
import type { Change } from "../evolve.ts";
import type { ErasureRequested } from "../input.ts";
import { erasure } from "../revocations.ts";
import { startMs } from "./barriers.ts";

/**
 * PRV-14: every session that began up to the request is revoked, as of the request, and its record removed; then all
 * that was remembered from before goes. A session that began later is the person's new beginning.
 */
export function erasureRequested(
  draft: Draft,
  { atMs, eventId }: ErasureRequested,
): Outcome<readonly Change[]> {
  for (const session of draft.state.live) {
    if (startMs(session) <= atMs) draft.revoke(session, erasure, atMs);
  }
  for (const ended of draft.state.ended) draft.forget(ended, null);
  draft.apply({ type: "erased", erasureId: eventId, atMs });
  return ok(draft.changes);
}
