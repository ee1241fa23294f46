import { SessionName } from "@vigie/core/keys";
import type { SessionAnswer, SessionView } from "./view.ts";

/** A view for tests: every session lives, but for those that it is told of. */
export function memoryView(answers: ReadonlyMap<string, SessionAnswer> = new Map()): SessionView {
  const view: SessionView = {
    resolveById: (tenantId, sessionId) => view.resolve(new SessionName(tenantId, "u-1", sessionId)),
    async resolve({ tenantId, userId, sessionId }) {
      const told = answers.get(sessionId);
      if (told !== undefined) return told;
      const session = {
        tenantId,
        userId,
        sessionId,
        orgId: null,
        roles: [],
        channel: "MOBILE" as const,
        startedAtMs: 0,
        deviceId: null,
        userType: "EXTERNAL" as const,
        country: null,
        city: null,
        createdAtMs: 0,
        lastSeenMs: 0,
        idleExpiresAtMs: Number.MAX_SAFE_INTEGER,
        absoluteExpiresAtMs: Number.MAX_SAFE_INTEGER,
        stepUpRequiredAtMs: null,
        riskScore: 0,
      };
      return { kind: "live", session };
    },
    denialOf: () => null,
  };
  return view;
}
