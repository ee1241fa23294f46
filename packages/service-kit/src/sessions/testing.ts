import type { StoredSession } from "./session-store.ts";

export const NOW_MS = 1_767_607_200_000;

/** A session of acme's u-1 that was seen just now. */
export const storedSession = (over: Partial<StoredSession> = {}): StoredSession => ({
  tenantId: "acme",
  userId: "u-1",
  sessionId: "s-1",
  orgId: "shop-7",
  roles: ["cashier"],
  channel: "MOBILE",
  startedAtMs: NOW_MS - 60_000,
  deviceId: "d-1",
  userType: "INTERNAL",
  country: "SN",
  city: null,
  createdAtMs: NOW_MS - 60_000,
  lastSeenMs: NOW_MS,
  absoluteExpiresAtMs: NOW_MS + 720 * 3_600_000,
  stepUpRequiredAtMs: null,
  riskScore: 0,
  ...over,
});
