import { isIP } from "node:net";
import { assert } from "@vigie/core/assert";
import type { Clock } from "@vigie/core/time";
import { plainAddress } from "@vigie/service-kit/http/address";
import { type AuthOptions, requireScope } from "@vigie/service-kit/http/auth";
import type { Caller } from "@vigie/service-kit/http/jwt";
import { sendProblem } from "@vigie/service-kit/http/problem";
import type { FastifyRequest, onRequestHookHandler } from "fastify";
import type { EventOutput } from "../output/event-output.ts";
import type { Admit, AdmitContext } from "../steps/admit-event.ts";
import type { EventType } from "../steps/event-types.ts";

/** What the routes that take events share. */
export interface Ingest {
  readonly output: EventOutput;
  readonly admit: Admit;
  readonly auth: AuthOptions;
  readonly clock: Clock;
  readonly batchBodyMaxBytes: number;
  isReady(): boolean;
}

const WRITE_SCOPE = "events:write";

/** The hook of a route that takes events: the schemas are known, the caller may write. */
export function mayWrite({ auth, isReady }: Ingest): onRequestHookHandler {
  const authorise = requireScope(WRITE_SCOPE, auth);
  return function check(request, reply, done) {
    if (isReady()) authorise.call(this, request, reply, done);
    else sendProblem(reply, "VIG_REGISTRY_AWAY", { why: "schemas are not known yet" });
  };
}

export function callerOf(request: FastifyRequest): Caller {
  const { caller } = request;
  assert(caller !== null, "a route with a scope has a caller");
  return caller;
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

/** A trusted proxy may pass on any text that a client put into X-Forwarded-For. */
function addressOf(given: string | undefined): string | null {
  const address = plainAddress(given ?? "");
  return isIP(address) === 0 ? null : address;
}

/** One heartbeat of a person's session in 5 s. Source: DESIGN, Edge. */
const HEARTBEAT_RATE = { perMinute: 12, burst: 1 } as const;

/** How long a person's session has to wait with its next heartbeat, in milliseconds; services wait never. */
export function heartbeatWaitMs(type: EventType, caller: Caller, auth: AuthOptions): number {
  if (type !== "heartbeat" || caller.kind === "service") return 0;
  const key = `heartbeat|${caller.tenantId}|${caller.sessionId}`;
  return auth.limiter.take(key, 1, HEARTBEAT_RATE);
}
