import type { SessionAnomaly } from "./types.ts";

/** What the sessions service finds, which concerns a security operations centre in any case. */
const FOUND_BY_SESSIONS: ReadonlySet<string> = new Set([
  "concurrent_sessions",
  "revoked_session_use",
]);
const SEVERE: ReadonlySet<string> = new Set(["HIGH", "CRITICAL"]);

/** Which service finds this kind of anomaly. */
export const finderOf = ({ kind }: Pick<SessionAnomaly, "kind">): "sessions" | "detector" =>
  FOUND_BY_SESSIONS.has(kind) ? "sessions" : "detector";

/**
 * ANO-14, ANO-18, AUD-05: whether an anomaly that may be acted on is a security event, and so in the audit as well.
 */
export const isSecurityEvent = (anomaly: Pick<SessionAnomaly, "kind" | "severity">): boolean =>
  finderOf(anomaly) === "sessions" || SEVERE.has(anomaly.severity);
