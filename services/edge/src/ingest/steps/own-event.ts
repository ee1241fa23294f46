import type { Caller } from "@vigie/service-kit/http/jwt";
import type { EventType } from "./event-types.ts";

/** What the edge itself sees of a client. */
export interface ClientView {
  /** Null when a proxy passed on what is no address. */
  readonly ip: string | null;
  readonly userAgent: string | null;
}

type Fields = Readonly<Record<string, unknown>>;

/** Source: id.heartbeat.avsc. */
const ROLES_MAX = 32;

/**
 * An event that a person's own token brings. What a client says about itself is taken only where lying gains
 * nothing: its device, its channel, in a geo event the place. Who, when, from where and with which session the
 * token and the connection say. A similarity of the fingerprint is never taken: it is a verdict.
 */
export function ownEvent(
  type: EventType,
  body: Fields,
  context: { readonly caller: Caller; readonly client: ClientView; readonly nowMs: number },
): Fields {
  const { caller, client, nowMs } = context;
  const said = {
    ...body,
    user_id: caller.subject,
    session_id: caller.sessionId,
    occurred_at: nowMs,
    network: { ip: client.ip, user_agent: client.userAgent },
    device: ownDevice(body.device),
    source: "edge",
  };
  if (type === "geo") return said;
  return {
    ...said,
    session_started_at: null,
    user_type: caller.userType ?? "UNKNOWN",
    org_id: caller.orgId,
    roles: caller.roles.slice(0, ROLES_MAX),
    location: null,
    sim: null,
  };
}

function ownDevice(device: unknown): unknown {
  if (typeof device !== "object" || device === null) return device ?? null;
  const { fingerprint } = device as { readonly fingerprint?: unknown };
  if (typeof fingerprint !== "object" || fingerprint === null) return device;
  return { ...device, fingerprint: { ...fingerprint, similarity: null } };
}
