import { assert } from "@vigie/core/assert";
import type { SessionName } from "@vigie/core/keys";
import type { SessionState } from "@vigie/schemas/types";
import { endStatusOf, type Found } from "./session-store.ts";

/** What is kept of a live session, in the order in which it is written. */
type Facts = readonly [
  createdAtMs: number,
  lastSeenMs: number,
  absoluteExpiresAtMs: number,
  channel: SessionState["channel"],
  roles: readonly string[],
  userType: SessionState["user_type"],
  adopted: boolean,
  riskScore: number,
  orgId: string | null,
  deviceId: string | null,
  country: string | null,
  city: string | null,
  stepUpRequiredAtMs: number | null,
];

/**
 * A session as Redis keeps it: one value, since reading it is what every introspection waits for.
 * Shape: `<version> <status>`, and of a live one ` ` and its facts as a JSON array.
 */
export function textOf(state: SessionState): string {
  const head = `${state.version} ${state.status}`;
  if (state.status !== "ACTIVE") return head;
  const facts: Facts = [
    state.created_at,
    state.last_seen_at,
    state.absolute_expires_at,
    state.channel,
    state.roles,
    state.user_type,
    state.adopted,
    state.risk_score,
    state.org_id,
    state.device_id,
    state.country,
    state.city,
    state.step_up_required_at,
  ];
  return `${head} ${JSON.stringify(facts)}`;
}

/** Null: there is none. */
export function foundIn(
  text: string | null,
  names: Pick<SessionName, "tenantId" | "userId" | "sessionId">,
): Found {
  if (text === null) return { kind: "none" };
  const statusAt = text.indexOf(" ") + 1;
  const factsAt = text.indexOf(" ", statusAt) + 1;
  const status = text.slice(statusAt, factsAt === 0 ? text.length : factsAt - 1);
  if (status !== "ACTIVE") return { kind: "ended", status: endStatusOf(status) };
  assert(factsAt > 0, "a live session's text holds its facts");
  const [
    createdAtMs,
    lastSeenMs,
    absoluteExpiresAtMs,
    channel,
    roles,
    userType,
    adopted,
    riskScore,
    orgId,
    deviceId,
    country,
    city,
    stepUpRequiredAtMs,
  ] = JSON.parse(text.slice(factsAt)) as Facts;
  const session = {
    tenantId: names.tenantId,
    userId: names.userId,
    sessionId: names.sessionId,
    orgId,
    roles,
    channel,
    startedAtMs: adopted ? null : createdAtMs,
    deviceId,
    userType,
    country,
    city,
    createdAtMs,
    lastSeenMs,
    absoluteExpiresAtMs,
    stepUpRequiredAtMs,
    riskScore,
  };
  return { kind: "active", session };
}
