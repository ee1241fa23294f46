import { assert } from "@vigie/core/assert";
import type { Outages } from "@vigie/core/outages";
import type { PolicyDocument } from "@vigie/core/policy";
import { deadlinesOf } from "@vigie/core/session-deadlines";
import type { SessionState } from "@vigie/schemas/types";
import type { Client } from "../client.ts";
import type { Change, Ended } from "../evolve.ts";
import type { Session } from "../state.ts";
import type { Owner } from "./owner.ts";

/** What happened to a session last; an output each, so that they are counted apart. */
export type Occasion = "began" | "updated" | "ended" | "forgotten";

/** The last word on one session; record: null removes it from the compacted topic. */
export interface Publication {
  readonly occasion: Occasion;
  readonly sessionId: string;
  readonly record: SessionState | null;
}

export interface StateSetting extends Owner {
  readonly policy: PolicyDocument;
  readonly outages: Outages;
  readonly clientOf: (userAgent: string) => Client;
}

/**
 * What the world learns of the changes: one record a session, the last. Ends come first, so that no reader in between
 * sees more sessions active than there may be.
 */
export function publicationsOf(
  changes: readonly Change[],
  setting: StateSetting,
): readonly Publication[] {
  const bySession = new Map<string, Publication>();
  for (const change of changes) {
    switch (change.type) {
      case "began":
      case "updated":
      case "ended": {
        const { session, type } = change;
        if (session.pending) break;
        const record = recordOf(session, type === "ended" ? change : null, setting);
        bySession.set(session.id, { occasion: type, sessionId: session.id, record });
        break;
      }
      case "cleared": {
        const { sessionId } = change;
        bySession.set(sessionId, { occasion: "forgotten", sessionId, record: null });
        break;
      }
      default: // The rest is memory of the task alone.
    }
  }
  const all = [...bySession.values()];
  const ends = all.filter(({ occasion }) => occasion === "ended");
  return ends.length === 0 ? all : [...ends, ...all.filter(({ occasion }) => occasion !== "ended")];
}

function recordOf(session: Session, ended: Ended | null, setting: StateSetting): SessionState {
  assert(!session.pending && session.version > 0, "a published session has its version");
  const deadlines = deadlinesOf(session, setting.policy, setting.outages);
  return {
    tenant_id: setting.tenantId,
    user_id: setting.userId,
    session_id: session.id,
    version: session.version,
    status: ended?.status ?? "ACTIVE",
    adopted: session.adopted,
    user_type: session.userType,
    org_id: session.orgId,
    roles: session.roles,
    channel: session.channel,
    device_id: session.deviceId,
    client: session.userAgent === null ? {} : setting.clientOf(session.userAgent),
    user_agent: session.userAgent,
    login_method: session.loginMethod,
    ip_prefix: session.ipPrefix,
    ip_hash: session.ipHash,
    ip_hash_key_id: session.ipHashKeyId,
    country: session.country,
    city: session.city,
    created_at: session.createdAtMs,
    last_seen_at: session.lastSeenMs,
    idle_expires_at: deadlines.idleExpiresAtMs,
    absolute_expires_at: deadlines.absoluteExpiresAtMs,
    step_up_required_at: session.stepUpRequiredAtMs,
    ended_at: ended?.atMs ?? null,
    end_reason: ended?.reason ?? null,
    risk_score: session.riskScore,
    policy_version: session.policyVersion,
    upstream_session_ref: session.upstreamSessionRef,
  };
}
