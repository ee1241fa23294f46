import { MINUTE_MS } from "@vigie/core/time";
import type { Change } from "./evolve.ts";
import type { Revocation } from "./state.ts";

/**
 * Guards against a policy that would sign everyone out, by a bad GeoIP file perhaps. Every partition keeps count of its
 * own share of a tenant's sessions. What counts is what anomalies revoke: limits of sessions, epochs, SIRA and people
 * mean what they revoke. A session whose anomaly is read before its login counts with the anomaly.
 */
export interface TenantLoad {
  readonly kind: "tenant_load";
  /** Live sessions of the tenant in this partition. */
  readonly live: number;
  /** Sessions that anomalies revoked lately, by the minute in which it was, oldest first. */
  readonly revoked: readonly { readonly minuteMs: number; readonly count: number }[];
  /** When somebody was last told that revocations are held back; 0: never. */
  readonly heldToldAtMs: number;
}

/** What a decision may know of it. */
export interface Guard {
  /** So many sessions may anomalies still revoke. */
  readonly left: number;
  /** Somebody was told lately that there were none left. */
  readonly isHeldTold: boolean;
}

/** Source: DESIGN, Sessions, Actions: "more than 1 % of a tenant's sessions within 5 min". */
const SHARE_MAX = 0.01;
const WINDOW_MS = 5 * MINUTE_MS;
/** With few sessions one attacked user would be 1 %: so many are let pass in any case. */
export const REVOCATIONS_MIN = 10;

export const noLoad: TenantLoad = { kind: "tenant_load", live: 0, revoked: [], heldToldAtMs: 0 };

export const loadKey = (tenantId: string): string => `tenant|${tenantId}`;

/** A minute counts until its last moment is out of the window. */
const within = (load: TenantLoad, nowMs: number): TenantLoad["revoked"] =>
  load.revoked.filter(({ minuteMs }) => minuteMs + MINUTE_MS > nowMs - WINDOW_MS);

export function guardOf(load: TenantLoad, nowMs: number): Guard {
  const done = within(load, nowMs).reduce((sum, { count }) => sum + count, 0);
  // What was revoked lately was a session when the window began.
  const share = Math.floor((load.live + done) * SHARE_MAX);
  const left = Math.max(REVOCATIONS_MIN, share) - done;
  const isHeldTold = load.heldToldAtMs > 0 && nowMs - load.heldToldAtMs < WINDOW_MS;
  return { left: Math.max(0, left), isHeldTold };
}

/** The load after a step; the same object when the step leaves it as it was. */
export function loadAfter(load: TenantLoad, changes: readonly Change[], nowMs: number): TenantLoad {
  let { live, heldToldAtMs } = load;
  let count = 0;
  for (const change of changes) {
    if (change.type === "began") live += 1;
    else if (change.type === "held") heldToldAtMs = nowMs;
    else if (change.type === "ended") {
      live -= 1;
      if (isByAnomaly(change.revocation) && !wasCounted(change.session.id, changes)) count += 1;
    } else if (change.type === "entombed" && isByAnomaly(change.tombstone.revocation)) count += 1;
  }
  if (live === load.live && count === 0 && heldToldAtMs === load.heldToldAtMs) return load;
  // Sessions that were there before anybody counted may end.
  return {
    ...load,
    live: Math.max(0, live),
    revoked: count === 0 ? load.revoked : added(load, count, nowMs),
    heldToldAtMs,
  };
}

const isByAnomaly = (revocation: Revocation | null): boolean =>
  revocation?.actor.type === "POLICY" && revocation.anomalyId !== null;

/** A session whose anomaly came first was counted then, and is revoked when it appears. */
const wasCounted = (sessionId: string, changes: readonly Change[]): boolean =>
  changes.some((change) => change.type === "unearthed" && change.sessionId === sessionId);

function added(load: TenantLoad, count: number, nowMs: number): TenantLoad["revoked"] {
  const minuteMs = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS;
  const others = within(load, nowMs).filter((minute) => minute.minuteMs !== minuteMs);
  const before = load.revoked.find((minute) => minute.minuteMs === minuteMs)?.count ?? 0;
  return [...others, { minuteMs, count: before + count }];
}
