import type { Clock } from "@vigie/core/time";
import { nothing } from "@vigie/service-kit/audit-trail/declared";
import {
  callerOf,
  type Guard,
  hasScope,
  notEnded,
  schemasKnown,
} from "@vigie/service-kit/http/access";
import { addressOf } from "@vigie/service-kit/http/address";
import { requireToken } from "@vigie/service-kit/http/auth";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { EdgeContext } from "../context.ts";
import { postEventRoutes } from "./post-event/route.ts";
import { postEventsRoute } from "./post-events/route.ts";
import {
  type Admit,
  type AdmitContext,
  type AdmittedEvent,
  createAdmit,
} from "./steps/admit-event.ts";
import type { EventType } from "./steps/event-types.ts";

/** What the routes that take events share. */
export interface Ingest extends EdgeContext {
  readonly admit: Admit;
}

/** Events in: singly and in batches. */
export function ingest(scope: FastifyInstance, context: EdgeContext): void {
  const shared = { ...context, admit: createAdmit(context) };
  postEventRoutes(scope, shared);
  postEventsRoute(scope, shared);
}

export const WRITE_SCOPE = "events:write";

export const reportedEvents = nothing("events lie on their topics; what they cause is on record");

/** The guard of a route that takes events: the schemas are known, the caller may write, in a session without end. */
export function mayWrite(context: Ingest): Guard {
  const { auth } = context;
  return [schemasKnown(context), requireToken(auth), hasScope(WRITE_SCOPE), notEnded(context)];
}

export function contextOf(request: FastifyRequest, clock: Clock): AdmitContext {
  return {
    caller: callerOf(request),
    client: () => ({
      ip: addressOf(request.ip),
      userAgent: request.headers["user-agent"] ?? null,
    }),
    nowMs: clock(),
  };
}

/** One heartbeat of a person's session in 5 s. Source: DESIGN, Edge. */
const HEARTBEAT_RATE = { perMinute: 12, burst: 1 } as const;

/**
 * How long an admitted event has to wait, in milliseconds; then it was not published. A person's session with its next
 * heartbeat, and the next login of a user who has sessions too many already; nothing else of what services report.
 */
export function waitMsOf(
  type: EventType,
  { event, isLogin }: AdmittedEvent,
  caller: Caller,
  { auth, excess }: Pick<Ingest, "auth" | "excess">,
): number {
  if (isLogin) return excess.waitMs(event.key);
  if (type !== "heartbeat" || caller.kind === "service") return 0;
  const key = `heartbeat|${caller.tenantId}|${caller.sessionId}`;
  return auth.limiter.take(key, 1, HEARTBEAT_RATE);
}
