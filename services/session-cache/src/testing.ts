import { MINUTE_MS } from "@vigie/core/time";
import type { SessionState } from "@vigie/schemas/types";
import { sessionName } from "@vigie/service-kit/sessions/layout";
import type { CacheRecord } from "./cache.ts";

/** A live session seen at `seenMs`, with what matters given by name. */
export function sessionState(seenMs: number, over: Partial<SessionState> = {}): SessionState {
  return {
    tenant_id: "acme",
    user_id: "u-1",
    session_id: "s-1",
    version: seenMs,
    status: "ACTIVE",
    adopted: false,
    user_type: "EXTERNAL",
    org_id: null,
    roles: ["customer"],
    channel: "MOBILE",
    device_id: "d-1",
    client: { browser: "Chrome" },
    user_agent: null,
    login_method: "pin",
    ip_prefix: "41.82.17.0/24",
    ip_hash: "a".repeat(64),
    ip_hash_key_id: "k1",
    country: "SN",
    city: null,
    created_at: seenMs,
    last_seen_at: seenMs,
    idle_expires_at: seenMs + 30 * MINUTE_MS,
    absolute_expires_at: seenMs + 720 * 60 * MINUTE_MS,
    step_up_required_at: null,
    ended_at: null,
    end_reason: null,
    risk_score: 0,
    policy_version: 0,
    upstream_session_ref: null,
    ...over,
  };
}

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
