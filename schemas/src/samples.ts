import { HOUR_MS, MINUTE_MS } from "@vigie/core/time";
import type {
  GeoEvent,
  HeartbeatEvent,
  LoginEvent,
  MfaEvent,
  SessionAnomaly,
  SessionEpoch,
  SessionRevoked,
  SessionState,
} from "./types.ts";

/** 2026-01-05T10:00:00Z */
export const SAMPLE_TIME_MS = 1_767_607_200_000;

const subject = { tenant_id: "molam-sn", user_id: "usr_00012345" } as const;

export const SAMPLE_KEY = "molam-sn|usr_00012345";

const context = {
  channel: "MOBILE",
  network: {
    ip: "41.82.0.17",
    user_agent:
      "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.7390.122 Mobile Safari/537.36",
  },
  device: {
    device_id: "5b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
    fingerprint: {
      hash: null,
      similarity: null,
      signals: {
        os: "Android",
        os_version: "14",
        browser: "Chrome",
        browser_version: "141.0.7390.122",
        device_model: "SM-A155F",
        screen: "1080x2340",
        gpu_vendor: "ARM Mali-G57",
        app_version: "4.12.0",
        timezone: "Africa/Dakar",
        languages: "fr",
      },
    },
  },
  location: null,
  sim: { mcc: 608, mnc: 1, carrier: "Orange" },
} as const;

/** A login as a mobile app in Dakar causes it: 569 bytes on the wire, all parts of the contract in use. */
export const sampleLogin: LoginEvent = {
  event_id: "0b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  ...subject,
  occurred_at: SAMPLE_TIME_MS,
  kind: "AUTH_SUCCESS",
  session_id: "3b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  login_method: "pin",
  failure_reason: null,
  absolute_expires_at: null,
  upstream_session_ref: null,
  source: "auth-gateway",
  ...context,
  location: {
    source: "GPS",
    lat: 14.6928,
    lon: -17.4467,
    accuracy_m: 10,
    country: "SN",
    city: "Dakar",
  },
};

export const sampleHeartbeat: HeartbeatEvent = {
  event_id: "1b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  ...subject,
  occurred_at: SAMPLE_TIME_MS,
  session_id: "3b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  session_started_at: SAMPLE_TIME_MS - 60_000,
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  source: "session-edge",
  ...context,
};

export const sampleMfa: MfaEvent = {
  event_id: "2b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  ...subject,
  occurred_at: SAMPLE_TIME_MS,
  kind: "FAIL",
  factor: "TOTP",
  session_id: null,
  source: "mfa-service",
  ...context,
};

export const sampleGeo: GeoEvent = {
  event_id: "4b9c1f4e-53e6-4e0f-9d0b-1f3d2a6c7e88",
  ...subject,
  occurred_at: SAMPLE_TIME_MS,
  session_id: null,
  geohash: "edeed",
  source: "geo",
  ...context,
};

/** A live session that began at `atMs`, and was seen then. */
export const sampleState = (atMs: number, over: Partial<SessionState> = {}): SessionState => ({
  ...subject,
  session_id: "s-1",
  version: atMs,
  status: "ACTIVE",
  adopted: false,
  user_type: "EXTERNAL",
  org_id: null,
  roles: ["customer"],
  channel: "MOBILE",
  device_id: "d-1",
  client: { browser: "Chrome", os: "Android" },
  user_agent: "Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36",
  login_method: "pin",
  ip_prefix: "41.82.17.0/24",
  ip_hash: "a".repeat(64),
  ip_hash_key_id: "k1",
  country: "SN",
  city: "Dakar",
  created_at: atMs,
  last_seen_at: atMs,
  idle_expires_at: atMs + 30 * MINUTE_MS,
  absolute_expires_at: atMs + 720 * HOUR_MS,
  step_up_required_at: null,
  ended_at: null,
  end_reason: null,
  risk_score: 0,
  policy_version: 3,
  upstream_session_ref: null,
  ...over,
});

export const sampleAnomaly = (
  atMs: number,
  over: Partial<SessionAnomaly> = {},
): SessionAnomaly => ({
  ...subject,
  anomaly_id: "a-1",
  session_id: "s-1",
  kind: "impossible_travel",
  severity: "HIGH",
  risk_score: 95,
  action: "STEP_UP",
  mode: "ENFORCE",
  occurred_at: atMs,
  detected_at: atMs + 5,
  rule_version: "1",
  policy_version: 3,
  cause_event_ids: ["e-1", "e-2"],
  evidence: { speed_kmh: "8400" },
  explanation: "It would not have fired below 900 km/h.",
  retracts: null,
  ...over,
});

const actor = { type: "ADMIN", id: "admin-1", impersonator_id: null } as const;

export const sampleRevocation = (
  atMs: number,
  over: Partial<SessionRevoked> = {},
): SessionRevoked => ({
  ...subject,
  revocation_id: "r-1",
  session_id: "s-1",
  device_id: "d-1",
  channel: "MOBILE",
  revoked_at: atMs,
  session_expires_at: atMs + 720 * HOUR_MS,
  command_id: "c-1",
  anomaly_id: null,
  epoch_id: null,
  reason: "lost_phone",
  actor,
  ...over,
});

/** Of the whole tenant. */
export const sampleEpoch = (atMs: number, over: Partial<SessionEpoch> = {}): SessionEpoch => ({
  tenant_id: subject.tenant_id,
  epoch_id: "e-1",
  scope: "TENANT",
  value: null,
  not_before: atMs,
  reason: "breach",
  actor,
  ...over,
});
