import { VigError } from "@vigie/core/errors";
import { requireToken } from "@vigie/service-kit/http/auth";
import type { Caller } from "@vigie/service-kit/http/jwt";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { adminFault, callerOf, livesNow } from "../access.ts";
import { problemResponses } from "../ingest/schemas.ts";
import { strictBody } from "../strict-body.ts";
import { answerOrder } from "./answer.ts";
import type { Owner } from "./commander.ts";
import type { Commands } from "./commands.ts";
import { doneSchema, id, pendingSchema, strict } from "./schemas.ts";

const params = strict({ id: id("command_id of an answer") });

/** What became of a command: for the person whose sessions it was about, and for administrators. */
export function commandStateRoute(app: FastifyInstance, commands: Commands): void {
  app.get<{ Params: Static<typeof params> }>(
    "/api/id/commands/:id",
    {
      schema: {
        tags: ["own sessions"],
        summary: "Tells what a command did",
        security: [{ bearer: [] }],
        params,
        response: { 200: doneSchema, 202: pendingSchema, ...problemResponses },
      },
      validatorCompiler: strictBody,
      onRequest: [requireToken(commands.auth), livesNow(commands)],
    },
    async (request, reply) => {
      const caller = callerOf(request);
      const commandId = request.params.id;
      const state = await commands.commander.stateOf(caller.tenantId, commandId);
      if (state === null || !mayAsk(caller, state.owner, commands.idDomainOrgs)) {
        throw new VigError("VIG_NOT_FOUND", { what: "command" });
      }
      return answerOrder(reply, commandId, state.kind === "done" ? state.result : null);
    },
  );
}

function mayAsk(caller: Caller, owner: Owner, idDomainOrgs: ReadonlySet<string>): boolean {
  if (owner.tenantId !== caller.tenantId) return false;
  const isTheirs = caller.kind === "user" && caller.subject === owner.userId;
  return isTheirs || adminFault(caller, idDomainOrgs) === null;
}
