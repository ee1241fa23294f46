import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import { SAMPLE_TIME_MS, sampleLogin } from "@vigie/schemas/samples";
import type { SessionState } from "@vigie/schemas/types";

/** Logins of this many users go round: enough that all partitions are in use. */
const USERS = 512;

/** Bodies as an authentication service sends them, some 1 KB of JSON and 565 bytes of Avro each. */
export function bodies(nowMs: number): string[] {
  return Array.from({ length: USERS }, (_, index) => {
    const user = String(index).padStart(8, "0");
    const event = {
      ...sampleLogin,
      event_id: `0b9c1f4e-53e6-4e0f-9d0b-${user.padStart(12, "0")}`,
      user_id: `usr_${user}`,
      occurred_at: nowMs + (sampleLogin.occurred_at - SAMPLE_TIME_MS),
    };
    return JSON.stringify(event);
  });
}

/** Live sessions of as many users, seen just now. */
export function sessionStates(tenantId: string, nowMs: number): SessionState[] {
  return Array.from({ length: USERS }, (_, index) => ({
    tenant_id: tenantId,
    user_id: `usr_${String(index).padStart(8, "0")}`,
    session_id: `0b9c1f4e-53e6-4e0f-9d0b-${String(index).padStart(12, "0")}`,
    version: nowMs,
    status: "ACTIVE",
    adopted: false,
    user_type: "EXTERNAL",
    org_id: null,
    roles: ["customer"],
    channel: "MOBILE",
    device_id: `device-${index}`,
    client: { browser: "Chrome", os: "Android" },
    user_agent: "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36",
    login_method: "pin",
    ip_prefix: "41.82.17.0/24",
    ip_hash: "a".repeat(64),
    ip_hash_key_id: "k1",
    country: "SN",
    city: "Dakar",
    created_at: nowMs,
    last_seen_at: nowMs,
    idle_expires_at: nowMs + 30 * MINUTE_MS,
    absolute_expires_at: nowMs + 720 * HOUR_MS,
    step_up_required_at: null,
    ended_at: null,
    end_reason: null,
    risk_score: 0,
    policy_version: 0,
    upstream_session_ref: null,
  }));
}
