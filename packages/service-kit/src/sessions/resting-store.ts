import { VigError } from "@vigie/core/errors";
import type { Clock } from "@vigie/core/time";
import type { SessionStore } from "./session-store.ts";

/** Short enough that nobody notices the return of a store, long enough that its absence costs one question a time. */
const REST_MS = 500;

/**
 * The store, but left alone for a moment after it has failed: then one question is put to it, and the others are
 * refused at once until that one is answered. Nobody waits for a server that is known to be away.
 */
export function restingStore(store: SessionStore, clock: Clock): SessionStore {
  let restsUntilMs = Number.NEGATIVE_INFINITY;
  let away: VigError | null = null;
  return {
    lagMaxMs: store.lagMaxMs,
    async find(name) {
      if (away !== null) {
        const nowMs = clock();
        if (nowMs < restsUntilMs) throw away;
        restsUntilMs = nowMs + REST_MS;
      }
      try {
        const answer = await store.find(name);
        away = null;
        return answer;
      } catch (error) {
        if (!(error instanceof VigError)) throw error;
        away = error;
        restsUntilMs = clock() + REST_MS;
        throw error;
      }
    },
  };
}
