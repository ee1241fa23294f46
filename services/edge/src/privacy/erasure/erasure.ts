import { randomUUID } from "node:crypto";
import { VigError } from "@vigie/core/errors";
import { USER_ID } from "@vigie/core/keys";
import { ID_MAX_LENGTH } from "@vigie/schemas/constraints";
import type { ActorType, SubjectErasure } from "@vigie/schemas/types";
import { actorRefOf } from "@vigie/service-kit/audit-trail/actor";
import { beforeAnswer, ownData } from "@vigie/service-kit/audit-trail/declared";
import {
  admin,
  callerOf,
  person,
  personOfAnySession,
  schemasKnown,
} from "@vigie/service-kit/http/access";
import { problemResponses, problems } from "@vigie/service-kit/http/problem-responses";
import { strictBody } from "@vigie/service-kit/http/strict-body";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import { databaseOf, userOf } from "../../commands/known-ids.ts";
import { id, strict } from "../../commands/schemas.ts";
import type { EdgeContext } from "../../context.ts";
import { erasureAnswer, erasureSchema } from "./answers.ts";
import { createErasureBook, type ErasureBook, type ErasureFacts } from "./erasure-book.ts";

const OWN = "/api/id/sessions/me/erase";

const requested = beforeAnswer("privacy.erasure_requested");

const common = { security: [{ bearer: [] }] };
const answers = { ...problemResponses, ...problems(404) };
const userParams = strict({
  userId: Type.String({
    // A pattern counts characters, and two units of UTF-16 may be one.
    maxLength: ID_MAX_LENGTH,
    pattern: USER_ID.source,
    description: "as lists show it, or as events have it",
  }),
});
const erasureParams = strict({ id: id("erasure_id of an answer") });

/** PRV-14: the right to erasure. */
export function erasure(app: FastifyInstance, context: EdgeContext): void {
  const encoder = context.codecs.encoder<SubjectErasure>("id.subject.erasure");
  const book = (): ErasureBook => createErasureBook(databaseOf(context), encoder);
  const request = requester(context, book);
  app.post(
    OWN,
    {
      schema: {
        ...common,
        tags: ["own sessions"],
        summary: "Erases the caller: their sessions end, and what is held on them goes",
        response: { 202: erasureSchema, ...answers },
      },
      config: { audit: requested },
      onRequest: [schemasKnown(context), ...person(context)],
    },
    async (call, reply) => {
      const facts = await request(call, callerOf(call).subject, "USER");
      reply.code(202).header("location", OWN);
      return erasureAnswer(facts);
    },
  );
  app.post<{ Params: Static<typeof userParams> }>(
    "/api/id/admin/users/:userId/erase",
    {
      schema: {
        ...common,
        tags: ["administration"],
        summary: "Erases a user at their request",
        params: userParams,
        response: { 202: erasureSchema, ...answers },
      },
      validatorCompiler: strictBody,
      config: { audit: requested },
      onRequest: [schemasKnown(context), ...admin(context)],
    },
    async (call, reply) => {
      const userId = await userOf(context, callerOf(call).tenantId, call.params.userId);
      const facts = await request(call, userId, "ADMIN");
      reply.code(202).header("location", `/api/id/erasures/${facts.erasureId}`);
      return erasureAnswer(facts);
    },
  );
  progressRoutes(app, context, book);
}

type Requester = (
  call: FastifyRequest,
  userId: string,
  actorType: ActorType,
) => Promise<ErasureFacts>;

/** AUD-01: on record before anything is done; what happened up to the time of that record is erased. */
function requester({ audit, clock }: EdgeContext, book: () => ErasureBook): Requester {
  return async (call, userId, actorType) => {
    const caller = callerOf(call);
    const erasures = book();
    const actor = actorRefOf(caller, call, actorType);
    const wish = { erasureId: randomUUID(), tenantId: caller.tenantId, userId, actor };
    return erasures.begin(wish, async (erasureId) => {
      const { recordedAtMs } = await audit.record({
        action: "privacy.erasure_requested",
        caller,
        request: call,
        actorType,
        subjectUserId: userId,
        payload: { erasure_id: erasureId },
      });
      // The broker's clock judges events, too.
      return recordedAtMs < 0 ? clock() : recordedAtMs;
    });
  };
}

function progressRoutes(app: FastifyInstance, context: EdgeContext, book: () => ErasureBook): void {
  app.get(
    OWN,
    {
      schema: {
        ...common,
        tags: ["own sessions"],
        summary: "Tells how far the erasure of the caller is",
        description: "Answered to a token whose session has ended, too: the erasure has ended it.",
        response: { 200: erasureSchema, ...answers },
      },
      config: { audit: ownData },
      onRequest: [...personOfAnySession(context)],
    },
    async (call) => {
      const { tenantId, subject } = callerOf(call);
      return told(await book().newestOf(tenantId, subject));
    },
  );
  app.get<{ Params: Static<typeof erasureParams> }>(
    "/api/id/erasures/:id",
    {
      schema: {
        ...common,
        tags: ["administration"],
        summary: "Tells how far an erasure is",
        params: erasureParams,
        response: { 200: erasureSchema, ...answers },
      },
      validatorCompiler: strictBody,
      config: { audit: beforeAnswer("privacy.erasure_read") },
      onRequest: [...admin(context)],
    },
    async (call) => {
      const caller = callerOf(call);
      const payload = { erasure_id: call.params.id };
      const action = "privacy.erasure_read";
      // Whom it is about is not known any more: only a pseudonym is kept.
      const about = { actorType: "ADMIN", subjectUserId: null } as const;
      const facts = await book().find(caller.tenantId, call.params.id);
      await context.audit.record({ action, caller, request: call, ...about, payload });
      return told(facts);
    },
  );
}

function told(facts: ErasureFacts | null) {
  if (facts === null) throw new VigError("VIG_NOT_FOUND", { what: "erasure" });
  return erasureAnswer(facts);
}
