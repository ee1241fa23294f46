import { sampleState } from "@vigie/schemas/samples";
import type { SessionState } from "@vigie/schemas/types";
import { sessionName } from "@vigie/service-kit/sessions/layout";
import type { CacheRecord } from "./cache.ts";

/** A live session seen at `seenMs`, with what matters given by name. */
export const sessionState = (seenMs: number, over: Partial<SessionState> = {}): SessionState =>
  sampleState(seenMs, { tenant_id: "acme", user_id: "u-1", ...over });

export const ended = (seenMs: number, over: Partial<SessionState> = {}): SessionState =>
  sessionState(seenMs, {
    status: "LOGGED_OUT",
    version: seenMs + 1,
    ended_at: seenMs + 1,
    end_reason: "logout",
    ...over,
  });

export const recordOf = (state: SessionState): CacheRecord => ({ key: sessionName(state), state });

export const removalOf = (state: SessionState): CacheRecord => ({
  key: sessionName(state),
  state: null,
});
