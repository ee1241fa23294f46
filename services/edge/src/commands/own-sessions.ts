import { assert } from "@vigie/core/assert";
import { VigError } from "@vigie/core/errors";
import { actorOf } from "@vigie/service-kit/audit-trail/actor";
import { withDeed } from "@vigie/service-kit/audit-trail/declared";
import { callerOf, person, schemasKnown } from "@vigie/service-kit/http/access";
import type { Caller } from "@vigie/service-kit/http/jwt";
import { problemResponses } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import { uuidOf } from "@vigie/service-kit/ids";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type TSchema, Type } from "typebox";
import { answerOrder } from "./answer.ts";
import { callIdOf } from "./call.ts";
import { channelOf, channels, type Target } from "./command.ts";
import type { Commands } from "./commands.ts";
import { deviceOf, sessionOf } from "./known-ids.ts";
import { doneSchema, id, pendingSchema, reason, reasonBody, strict } from "./schemas.ts";

const idParams = strict({ id: id("as lists show it, or as events have it") });
const channelParams = strict({
  channel: Type.String({ description: Object.keys(channels).join(", ") }),
});
const terminateBody = strict({
  reason: Type.Optional(reason),
  keep_current: Type.Optional(Type.Boolean({ description: "spare the calling session" })),
  except_session_id: Type.Optional(id("the one session to spare")),
});

/** What any of the routes may be asked: path parameters and body together. */
interface Asked {
  readonly id?: string;
  readonly channel?: string;
  readonly reason?: string;
  readonly keep_current?: boolean;
  readonly except_session_id?: string;
}

interface OwnRoute {
  readonly method: "POST" | "DELETE";
  readonly url: string;
  readonly summary: string;
  readonly params?: TSchema;
  readonly body: TSchema;
  /** Which of their own sessions the person means. */
  target(commands: Commands, caller: Caller, asked: Asked): Promise<Target>;
}

const oneSession = { summary: "Revokes an own session", params: idParams, body: reasonBody };

/** REV-01, REV-02, REV-04, REV-07 to REV-10: both families ask for the same (CNF-03). */
const routes: readonly OwnRoute[] = [
  {
    ...oneSession,
    method: "POST",
    url: "/api/id/sessions/:id/revoke",
    target: theSession,
  },
  {
    ...oneSession,
    method: "DELETE",
    url: "/api/v1/users/me/sessions/:id",
    target: theSession,
  },
  {
    method: "POST",
    url: "/api/id/sessions/revoke_all",
    summary: "Revokes all own sessions but the calling one",
    body: reasonBody,
    target: (commands, caller) => allSessions(commands, caller, { keep_current: true }),
  },
  {
    method: "POST",
    url: "/api/v1/users/me/sessions/terminate-all",
    summary: "Revokes all own sessions, but one if asked to",
    body: terminateBody,
    target: allSessions,
  },
  {
    method: "POST",
    url: "/api/id/devices/:id/revoke",
    summary: "Revokes the own sessions on a device",
    params: idParams,
    body: reasonBody,
    async target(commands, { tenantId, subject: userId }, asked) {
      const deviceId = await deviceOf(commands, { tenantId, userId }, idOf(asked));
      return { kind: "device", deviceId };
    },
  },
  {
    method: "POST",
    url: "/api/id/channels/:channel/revoke",
    summary: "Revokes the own sessions of a channel",
    params: channelParams,
    body: reasonBody,
    async target(_commands, _caller, asked) {
      const channel = channelOf(asked.channel ?? "");
      if (channel === null) throw new VigError("VIG_NOT_FOUND", { what: "channel" });
      return { kind: "channel", channel };
    },
  },
];

/** Why, when the caller does not say. Source: id.session.command.avsc. */
const REASON_DEFAULT = "user_request";

/** REV-14: with the outcome, which only the processor knows. */
export const revokedBySessions = withDeed("session.revoked", "sessions.revoked");

export function ownSessionRoutes(app: FastifyInstance, commands: Commands): void {
  for (const { method, url, summary, params, body, target } of routes) {
    app.route({
      method,
      url,
      schema: {
        tags: ["own sessions"],
        summary,
        security: [{ bearer: [] }],
        ...(params !== undefined && { params }),
        body,
        response: { 200: doneSchema, 202: pendingSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      config: { audit: revokedBySessions },
      onRequest: [schemasKnown(commands), ...person(commands)],
      preValidation: asksNothingSpecial,
      async handler(request, reply) {
        const asked = { ...(request.params as Asked), ...(request.body as Asked) };
        const meant = await target(commands, callerOf(request), asked);
        return carryOut(commands, { request, reply, target: meant, reason: asked.reason });
      },
    });
  }
}

/** A call without a body. */
export const asksNothingSpecial = async (request: FastifyRequest): Promise<void> => {
  request.body ??= {};
};

function idOf({ id }: Asked): string {
  assert(id !== undefined, "the schema of the path asks for an id");
  return id;
}

async function theSession(commands: Commands, caller: Caller, asked: Asked): Promise<Target> {
  return { kind: "session", sessionId: await ownSession(commands, caller, idOf(asked)) };
}

/** The caller's own session is known without asking: its token has just been found live. */
async function ownSession(commands: Commands, caller: Caller, given: string): Promise<string> {
  const { tenantId, subject: userId, sessionId } = caller;
  if (sessionId !== null && isSame(tenantId, sessionId, given)) return sessionId;
  return sessionOf(commands, { tenantId, userId }, given);
}

const isSame = (tenantId: string, sessionId: string, given: string): boolean =>
  given === sessionId || given.toLowerCase() === uuidOf(tenantId, "session", sessionId);

async function allSessions(commands: Commands, caller: Caller, asked: Asked): Promise<Target> {
  return { kind: "all", keepSessionId: await keptSession(commands, caller, asked) };
}

/** REV-08, REV-09. A session to spare that is not there would end the very one that was meant. */
async function keptSession(
  commands: Commands,
  caller: Caller,
  asked: Asked,
): Promise<string | null> {
  const { sessionId } = caller;
  const { keep_current: keepsCurrent = false, except_session_id: except } = asked;
  if (keepsCurrent && sessionId === null) {
    throw new VigError("VIG_REQUEST_INVALID", { why: "the token names no session to keep" });
  }
  if (except === undefined) return keepsCurrent ? sessionId : null;
  const kept = await ownSession(commands, caller, except);
  if (keepsCurrent && kept !== sessionId) {
    const why = "is not the current session, and keep_current is true: one session can be kept";
    throw new VigError("VIG_BODY_INVALID", { path: "except_session_id", why });
  }
  return kept;
}

interface Wish {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly target: Target;
  readonly reason: string | undefined;
}

/** Sends the command, or recognises it, and answers with what it did. */
async function carryOut({ commander }: Commands, { request, reply, target, reason }: Wish) {
  const caller = callerOf(request);
  const order = {
    commandId: callIdOf(request, caller, { target, reason }),
    tenantId: caller.tenantId,
    userId: caller.subject,
    target,
    reason: reason ?? REASON_DEFAULT,
    actor: actorOf(caller, request, "USER"),
  };
  await commander.send(order);
  return answerOrder(reply, order.commandId, await commander.outcome(order));
}
