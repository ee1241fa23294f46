import { assert } from "@vigie/core/assert";
import { epochCovers } from "@vigie/core/epochs";
import { messageOf, VigError } from "@vigie/core/errors";
import { SECOND_MS } from "@vigie/core/time";
import { impersonationFault, impersonationOf } from "@vigie/service-kit/audit-trail/impersonation";
import { sessionOfCaller } from "@vigie/service-kit/sessions/session-of-caller";
import type { SessionFacts } from "@vigie/service-kit/sessions/view";
import type { FastifyRequest } from "fastify";
import type { WebSocket } from "ws";
import { currentSessionId } from "../inventory/person.ts";
import type { LiveEvent } from "./event.ts";
import type { Listener } from "./hub.ts";
import type { Live } from "./live.ts";
import { readAsked, type Subscription, subscriptionOf } from "./subscription.ts";

/** Who has not said by then who they are is cut off. */
export const AUTH_WITHIN_MS = 5 * SECOND_MS;
/** Source: beginning to follow takes some 100 ms; well within the time to say who one is. */
const FOLLOWED_WITHIN_MS = 3 * SECOND_MS;
/** Whether token, session and client still live is asked anew this often. */
const CHECK_EVERY_MS = 30 * SECOND_MS;
/** What was read of a revocation before the connection joined may reach the view of sessions a moment later. */
const FIRST_CHECK_MS = SECOND_MS;

/**
 * One client: says who it is, is told what it may see, and is cut off when its token or session ends, when it is gone,
 * or when it reads too slowly. After the end nothing holds it.
 */
export class Connection implements Listener {
  readonly #socket: WebSocket;
  readonly #request: FastifyRequest;
  readonly #live: Live;
  readonly #leaves: (() => void)[] = [];
  #timer: NodeJS.Timeout;
  #hasSpoken = false;
  #subscription: Subscription | null = null;
  /** Of the calling session; null without one, and until it is known to live. */
  #session: SessionFacts | null = null;
  #isTold = false;
  #isOver = false;
  #hasAnswered = true;

  constructor(socket: WebSocket, request: FastifyRequest, live: Live) {
    this.#socket = socket;
    this.#request = request;
    this.#live = live;
    this.#leaves.push(live.doors.enter());
    live.told.connections.inc();
    this.#timer = setTimeout(() => this.cut(new VigError("VIG_TOKEN_MISSING")), AUTH_WITHIN_MS);
    socket.on("message", (data, isBinary) => this.#hear(isBinary ? "" : String(data)));
    socket.on("pong", () => {
      this.#hasAnswered = true;
    });
    socket.on("close", () => this.#leave("left"));
  }

  take(event: LiveEvent): void {
    const subscription = this.#subscription;
    assert(subscription !== null, "only who has subscribed is told");
    if (this.#isTold && subscription.shows(event)) this.#tell(event, subscription);
    const end = this.#endBy(event, subscription);
    if (end !== null) this.cut(end);
  }

  cut(why: VigError): void {
    if (this.#isOver) return;
    this.#leave(why.code);
    closeFor(this.#socket, why);
  }

  /** The first message says who it is and what it wants; there is no second one. */
  #hear(text: string): void {
    if (this.#isOver) return;
    if (this.#hasSpoken) {
      const why = "a stream takes one message, open another one";
      this.cut(new VigError("VIG_REQUEST_INVALID", { why }));
      return;
    }
    this.#hasSpoken = true;
    this.#open(text).catch((error: unknown) => this.cut(this.#faultOf(error)));
  }

  async #open(text: string): Promise<void> {
    const { doors, hub, policies } = this.#live;
    // Whether a listed session is active follows from them.
    if (!policies.ready) {
      throw new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "policies are still being read" });
    }
    const asked = readAsked(text);
    const facts = await this.#live.auth.verifier.inspect(asked.token);
    const { caller } = facts;
    let subscription: Subscription;
    try {
      this.#admit(caller);
      subscription = subscriptionOf(asked, facts, this.#live.idDomainOrgs);
    } catch (error) {
      this.#putRefusalOnRecord(caller, error);
      throw error;
    }
    if (this.#isOver) return;
    this.#leaves.push(doors.sit(caller.limitKey));
    this.#leaves.push(hub.need());
    await hub.following(FOLLOWED_WITHIN_MS);
    if (this.#isOver) return;
    this.#subscription = subscription;
    // Joined before its session is asked for: what ends it meanwhile is not missed.
    this.#leaves.push(hub.join(this, subscription.keys));
    await this.#confirm(subscription);
    await this.#putOnRecord(subscription);
    if (this.#isOver) return;
    this.#isTold = true;
    this.#send(JSON.stringify(helloOf(subscription)));
    this.#checkAfter(FIRST_CHECK_MS, subscription);
  }

  #admit(caller: Subscription["caller"]): void {
    const { auth } = this.#live;
    const tenant = this.#request.headers["x-tenant-id"];
    if (tenant !== undefined && tenant !== caller.tenantId) {
      throw new VigError("VIG_TENANT_MISMATCH", { where: "X-Tenant-ID header" });
    }
    const fault = impersonationFault(caller, this.#request);
    if (fault !== null) throw new VigError("VIG_REQUEST_INVALID", { why: fault });
    const waitMs = auth.limiter.take(caller.limitKey, 1, auth.rates[caller.kind]);
    if (waitMs > 0) {
      throw new VigError("VIG_RATE_LIMITED", { retryAfterS: Math.ceil(waitMs / SECOND_MS) });
    }
  }

  #putRefusalOnRecord(caller: Subscription["caller"], error: unknown): void {
    if (!(error instanceof VigError) || error.status !== 403) return;
    this.#live.audit.denied({ caller, request: this.#request, payload: { fault: error.code } });
  }

  /** Who reads of others, or as somebody else, is on record before the first word. Throws: VIG_AUDIT_WRITE_FAILED. */
  async #putOnRecord({ caller, of, user, kinds }: Subscription): Promise<void> {
    if (of === "me" && impersonationOf(caller, this.#request) === null) return;
    await this.#live.audit.record({
      action: "stream.opened",
      caller,
      request: this.#request,
      subjectUserId: of === "me" ? caller.subject : user,
      payload: { of, user, kinds },
    });
  }

  /** Throws: VIG_TOKEN_EXPIRED, VIG_SESSION_ENDED, VIG_SESSION_STATE_UNKNOWN. */
  async #confirm({ caller, expiresAtMs }: Subscription): Promise<void> {
    const { clock, view } = this.#live;
    if (clock() >= expiresAtMs) throw new VigError("VIG_TOKEN_EXPIRED");
    const session = sessionOfCaller(caller);
    if (session === null) return;
    const answer = await view.resolve(session);
    if (answer.kind !== "live") throw new VigError("VIG_SESSION_ENDED");
    this.#session = answer.session;
  }

  #checkAfter(ms: number, subscription: Subscription): void {
    const untilEndMs = subscription.expiresAtMs - this.#live.clock();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#check(subscription).catch((error: unknown) => this.cut(this.#faultOf(error)));
      },
      Math.max(1, Math.min(ms, untilEndMs)),
    );
  }

  async #check(subscription: Subscription): Promise<void> {
    if (!this.#hasAnswered) return this.#drop("silent");
    this.#hasAnswered = false;
    this.#socket.ping();
    await this.#confirm(subscription);
    if (!this.#isOver) this.#checkAfter(CHECK_EVERY_MS, subscription);
  }

  /** Why an event ends this connection, or null. */
  #endBy(event: LiveEvent, { caller }: Subscription): VigError | null {
    if (caller.sessionId === null) return null;
    if (event.kind === "epoch") return this.#endByEpoch(event.value);
    if (event.kind === "anomaly") return null;
    const { user_id, session_id } = event.value;
    const isOwn = user_id === caller.subject && session_id === caller.sessionId;
    const isEnd = event.kind === "revocation" || event.value.status !== "ACTIVE";
    return isOwn && isEnd ? new VigError("VIG_SESSION_ENDED") : null;
  }

  #endByEpoch(value: Extract<LiveEvent, { kind: "epoch" }>["value"]): VigError | null {
    const { epoch_id: id, tenant_id: tenantId, scope, not_before: notBeforeMs } = value;
    if (scope === "UNKNOWN") return null;
    if (this.#session === null) {
      // Whether it covers the session is not known yet: let the client ask again.
      return new VigError("VIG_SESSION_STATE_UNKNOWN", { why: "an epoch came meanwhile" });
    }
    const epoch = { id, tenantId, scope, value: value.value, notBeforeMs };
    return epochCovers(epoch, this.#session) ? new VigError("VIG_SESSION_ENDED") : null;
  }

  #tell(event: LiveEvent, { caller, of }: Subscription): void {
    const reader = { isAdmin: of === "tenant", currentId: currentSessionId(caller) };
    const text = this.#live.textOf(event, reader);
    if (text === null) return;
    this.#live.told.events.inc({ kind: event.kind });
    this.#send(text);
  }

  #send(text: string): void {
    if (this.#isOver) return;
    // A close frame would only queue up behind what is not read.
    if (this.#socket.bufferedAmount > this.#live.liveLimits.bufferMaxBytes) this.#drop("slow");
    else this.#socket.send(text);
  }

  #drop(why: string): void {
    this.#leave(why);
    this.#socket.terminate();
  }

  #leave(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    for (const leave of this.#leaves) leave();
    this.#live.told.connections.dec();
    this.#live.told.closed.inc({ why });
  }

  #faultOf(error: unknown): VigError {
    if (error instanceof VigError) return error;
    this.#live.log.error({ why: messageOf(error) }, "stream_failed");
    return new VigError("VIG_INTERNAL");
  }
}

function helloOf({ of, user, kinds, expiresAtMs }: Subscription) {
  return { type: "hello", of, user, kinds, expires_at: new Date(expiresAtMs).toISOString() };
}

/** Source: RFC 6455, 7.4, and IANA: 1013 try again later, 1011 a fault of ours, 4000 and up as we like. */
export function closeFor(socket: WebSocket, { code, status }: VigError): void {
  const fault = status === 503 ? 1_013 : 1_011;
  socket.close(status >= 500 ? fault : 4_000 + status, code);
}
